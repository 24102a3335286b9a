package dev.lethe.strategy;

import dev.lethe.results.EraseStep;
import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** One move of an erasure and the losses after it. */
@Name("dev.lethe.EraseStep")
@Label("Erase Step")
@Category("Lethe")
@StackTrace(false)
final class EraseStepEvent extends Event {
    @Label("Index")
    int index;
    @Label("Phase")
    String phase;
    @Label("Action")
    String action;
    @Label("Forget Loss")
    double forget;
    @Label("Retain Loss")
    double retain;

    static EraseStepEvent of(EraseStep step) {
        EraseStepEvent event = new EraseStepEvent();
        event.index = step.index();
        event.phase = step.phase().name();
        event.action = step.action().name();
        event.forget = step.forget();
        event.retain = step.retain();
        return event;
    }
}
