/**
 * The door to the native engine: models, passes, captured gradients and parameter-space vectors.
 *
 * <p>This is the only package that sees the generated bindings. It holds no loops, schedules or run folders. It may
 * import {@code dev.lethe.bindings} and the JDK, nothing else.
 *
 * <p>Ownership: {@link dev.lethe.engine.LanguageModel} and {@link dev.lethe.engine.ParameterVector} own native memory
 * and belong to the thread that made them; use after close (IllegalStateException) and from another thread
 * (WrongThreadException) is refused. Long work runs on threads of Lethe's own, {@link dev.lethe.engine.Work}. Everything
 * thrown on purpose is a {@link dev.lethe.engine.LetheException}.
 */
package dev.lethe.engine;
