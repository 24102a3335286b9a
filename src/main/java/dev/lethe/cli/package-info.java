/**
 * The command {@code lethe}: one class a command over the public API, and nothing a service would miss. Results go to
 * stdout, everything else to stderr; docs/json.md has the keys of {@code --json}.
 *
 * <p>May import everything but bindings.
 */
package dev.lethe.cli;
