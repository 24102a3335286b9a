/**
 * The door to the native engine: models, passes, captured gradients and parameter-space vectors.
 *
 * <p>Every downcall is made here. It holds no loops, schedules or run folders. It may import {@code shape}, {@code
 * natives}, {@code base}, {@code dev.lethe.bindings} and the JDK, nothing else.
 *
 * <p>Ownership: {@link dev.lethe.engine.LanguageModel} and {@link dev.lethe.engine.ParameterVector} own native memory
 * and belong to the thread that made them; use after close (IllegalStateException) and from another thread
 * (WrongThreadException) is refused. Long work runs on threads of Lethe's own, {@link dev.lethe.engine.Work}.
 * Everything thrown on purpose is a {@link dev.lethe.LetheException}.
 */
package dev.lethe.engine;
