import type { Plugin } from "esbuild";

/**
 * Node's own modules without what they load only when it is asked for. An `import` of one asks for every export it has: `node:http`
 * alone then loads the whole of `fetch`, a third of the time that a process takes to start. What is such an export cannot be imported
 * by its name: take it from the module's default.
 */
export const builtinModules: Plugin = {
  name: "builtin-modules",
  setup(bundler) {
    bundler.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "import-statement" || kind === "dynamic-import" ? { path, namespace: "builtin" } : undefined,
    );
    bundler.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => {
      const values = Object.entries(Object.getOwnPropertyDescriptors(process.getBuiltinModule(path)!));
      const names = values.filter(
        ([name, { get }]) => get === undefined && /^[A-Za-z_$][\w$]*$/.test(name) && name !== "default",
      );
      const lines = names.map(([name]) => `const it_${name} = all.${name}; export { it_${name} as ${name} };`);
      return { contents: `const all = process.getBuiltinModule("${path}");\nexport default all;\n${lines.join("\n")}` };
    });
  },
};
