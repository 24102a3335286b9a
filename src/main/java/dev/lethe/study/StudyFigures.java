package dev.lethe.study;

import java.util.ArrayList;
import java.util.List;

/** Every figure of one forget set's variants, in the order of reading; what cannot be drawn says why. Fixed
 * rates and steps stand in their own grid and in the tables, not in the figures over all variants. */
final class StudyFigures {
    private StudyFigures() { }

    /** @param suffix of file names, distinct for every forget set */
    static List<Figure> of(Study study, String suffix) {
        Study most = study.withoutFixedRates();
        List<Figure> figures = new ArrayList<>();
        figures.add(FrontierFigures.quality(most, suffix));
        figures.add(FrontierFigures.relearning(most, suffix));
        figures.add(InfluenceFigures.byType(most, suffix));
        figures.add(InfluenceFigures.beforeAndAfter(most, suffix));
        figures.add(InfluenceFigures.bySite(most, suffix));
        figures.add(CurveFigures.influence(most, suffix));
        figures.add(VariantFigures.text(most, suffix));
        figures.add(CurveFigures.losses(most, suffix));
        figures.add(VariantFigures.cost(most, suffix));
        figures.add(GridFigures.sites(study, suffix));
        figures.add(GridFigures.fixedRates(study, suffix));
        figures.add(CurveFigures.sequence(study, suffix));
        return figures;
    }
}
