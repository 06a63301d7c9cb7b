// Puts the two files that graph.html loads into this folder. They are Flot's and jQuery's as
// published, less the comment that names a source map, which is not served.
const fs = require("fs");

for (const [from, to] of [["jquery/dist/jquery.min.js", "jquery.min.js"],
                          ["flot/dist/es5/jquery.flot.js", "jquery.flot.min.js"]]) {
  const text = fs.readFileSync(`${__dirname}/node_modules/${from}`, "utf8");
  fs.writeFileSync(`${__dirname}/${to}`, text.replace(/^\/\/# sourceMappingURL=.*$/m, ""));
}
