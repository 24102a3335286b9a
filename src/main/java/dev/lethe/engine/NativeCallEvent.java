package dev.lethe.engine;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/** Flight-recorder event of a native call that took over 1 ms. */
@Name("dev.lethe.NativeCall")
@Label("Native Call")
@Description("A call into Lethe's native library")
@Category("Lethe")
@Threshold("1 ms")
@StackTrace(false)
final class NativeCallEvent extends Event {
    @Label("Function")
    String function;
}
