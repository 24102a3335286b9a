package dev.lethe.sweep;

import dev.lethe.settings.EraseConfig;
import dev.lethe.strategy.Losses;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;

/** Whether the guards that {@code lethe erase} has by default would have let a result pass, however wide the cell's own were. */
final class StandardGuards {
    private static final EraseConfig USUAL = EraseConfig.defaults();

    private StandardGuards() { }

    static List<String> broken(List<String> own, Losses before, Losses after) {
        List<String> broken = new ArrayList<>(own);
        if (after.retain() > before.retain() + USUAL.retainGuard()
                && own.stream().noneMatch(sentence -> sentence.startsWith("the retain loss"))) {
            broken.add(String.format(Locale.ROOT, "the retain loss rose from %.3f to %.3f, the usual guard allows %.3f more",
                    before.retain(), after.retain(), USUAL.retainGuard()));
        }
        if (after.heldOut() > before.heldOut() * (1 + USUAL.heldOutGuard())
                && own.stream().noneMatch(sentence -> sentence.startsWith("the held-out loss"))) {
            broken.add(String.format(Locale.ROOT, "the held-out loss rose from %.3f to %.3f, the usual guard allows %.1f %%",
                    before.heldOut(), after.heldOut(), 100 * USUAL.heldOutGuard()));
        }
        return List.copyOf(new LinkedHashSet<>(broken));
    }
}
