/*
 * Runs work on a thread of its own, so that an interrupt of the caller does not close files under it: Java closes any file
 * channel whose thread is interrupted. The interrupt raises a flag that a training's loop looks at between steps, and cancels
 * its native call under way; work that looks at no flag, as an erasure's last steps, goes on to its end.
 */
package dev.lethe.train;

import dev.lethe.engine.LanguageModel;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** One piece of work and the wish to stop it. */
public final class StopSignal {
    private volatile boolean raised;
    private volatile LanguageModel model;

    boolean raised() {
        return raised;
    }

    /** The model whose native calls an interrupt cancels. */
    void watch(LanguageModel model) {
        this.model = model;
    }

    private void raise() {
        raised = true;
        LanguageModel running = model;
        if (running != null) {
            running.cancel();
        }
    }

    /** Runs the body to its end, however often the caller is interrupted meanwhile; its exceptions are thrown here. */
    public <T> T run(Callable<T> body) {
        FutureTask<T> task = new FutureTask<>(body);
        Thread.ofPlatform().name("lethe-work").daemon().start(task);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return task.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                    raise();
                }
            }
        } catch (ExecutionException e) {
            throw rethrow(e.getCause());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static RuntimeException rethrow(Throwable cause) {
        return switch (cause) {
            case Error error -> throw error;
            case RuntimeException failure -> failure;
            default -> new IllegalStateException("the work failed: " + cause.getMessage(), cause);
        };
    }
}
