/**
 * The door to the native engine: models, passes, captured gradients and parameter-space vectors.
 *
 * <p>This is the only package that sees the generated bindings. It holds no loops, schedules or run folders. It may
 * import {@code dev.lethe.bindings} and the JDK, nothing else.
 *
 * <p>Ownership: {@link dev.lethe.engine.LanguageModel} and {@link dev.lethe.engine.ParameterVector} own native memory
 * and are confined to the thread that made them; the JDK refuses use after close (IllegalStateException) and from
 * another thread (WrongThreadException). Failures of the native side are {@link dev.lethe.engine.EngineException}.
 */
package dev.lethe.engine;
