/*
 * The contrast at the weights of now: the part of a forget direction that would raise the loss of what must stay, to first
 * order, is taken out. Two gradients a step, one of sampled retain records and one of held-out anchor records; each is
 * projected away only where it conflicts (PCGrad's rule, arXiv 2001.06782). The span contrast knows the retain records as
 * they were at first sight, this one as the erasure has left them.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.objective.EraseData;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

final class LiveContrast implements AutoCloseable {
    private final LanguageModel model;
    private final SiteSet sites;
    private final List<List<Example>> groups = new ArrayList<>();
    private final List<ParameterVector> gradients = new ArrayList<>();
    private final int sample;
    private final SplittableRandom random;

    /** @param sample records of each group a step; groups without records are left out */
    LiveContrast(LanguageModel model, SiteSet sites, EraseData data, int sample, long seed) {
        this.model = model;
        this.sites = sites;
        this.sample = sample;
        this.random = new SplittableRandom(seed);
        for (List<Example> group : List.of(data.retain(), data.anchor())) {
            if (!group.isEmpty() && sample > 0) {
                groups.add(group);
                gradients.add(model.vector());
            }
        }
    }

    /** Removes what conflicts, at the weights of now, from {@code direction}. */
    void removeFrom(ParameterVector direction) {
        for (int i = 0; i < groups.size(); i++) {
            ParameterVector gradient = gradients.get(i);
            List<Example> group = groups.get(i);
            model.gradient(BatchPlan.batch(group, draw(group.size())));
            gradient.assign(model.buffer(Buffer.GRADIENT));
            for (ParameterVector earlier : gradients.subList(0, i)) { // orthogonal, so that one removal keeps the other
                remove(earlier, gradient, false);
            }
            remove(gradient, direction, true);
        }
    }

    private void remove(ParameterVector what, ParameterVector from, boolean onlyConflict) {
        double norm = what.dot(what, sites);
        double share = norm == 0 ? 0 : from.dot(what, sites) / norm;
        if (share > 0 || !onlyConflict) {
            from.axpy(-share, what);
        }
    }

    private int[] draw(int size) {
        int[] positions = IntStream.range(0, size).toArray();
        int count = Math.min(sample, size);
        for (int i = 0; i < count; i++) { // the first `count` of a Fisher-Yates shuffle
            int j = i + random.nextInt(size - i);
            int other = positions[i];
            positions[i] = positions[j];
            positions[j] = other;
        }
        return java.util.Arrays.copyOf(positions, count);
    }

    @Override
    public void close() {
        gradients.forEach(ParameterVector::close);
    }
}
