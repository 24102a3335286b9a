/* The JFR event of capturing one batch: from reserving its room to the commit, the backward pass included. */
package dev.lethe.train;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

@Name("dev.lethe.Capture")
@Label("Gradient capture")
@Category({"Lethe", "Training"})
@StackTrace(false)
final class CaptureEvent extends Event {
    @Label("Step") long step;
    @Label("Records") int records;
    @Label("Bytes") @DataAmount long bytes;
}
