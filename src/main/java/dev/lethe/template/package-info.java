/**
 * Chat templates as Hugging Face's Jinja runs them, in a sandbox: syntax, tags, filters and Python's words for them. A
 * template is other people's program: what it may reach and how long it may run is said here.
 *
 * <p>May import {@code base} and Jinjava.
 */
package dev.lethe.template;
