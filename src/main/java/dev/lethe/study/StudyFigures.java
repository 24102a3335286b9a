package dev.lethe.study;

import java.util.ArrayList;
import java.util.List;

/** Every figure of one forget set's variants, in the order of reading; what cannot be drawn says why. */
final class StudyFigures {
    private StudyFigures() { }

    /** @param suffix of file names, distinct for every forget set */
    static List<Figure> of(Study study, String suffix) {
        List<Figure> figures = new ArrayList<>();
        figures.add(FrontierFigures.quality(study, suffix));
        figures.add(FrontierFigures.relearning(study, suffix));
        figures.add(InfluenceFigures.byType(study, suffix));
        figures.add(InfluenceFigures.beforeAndAfter(study, suffix));
        figures.add(InfluenceFigures.bySite(study, suffix));
        figures.add(CurveFigures.influence(study, suffix));
        figures.add(VariantFigures.text(study, suffix));
        figures.add(CurveFigures.losses(study, suffix));
        figures.add(VariantFigures.cost(study, suffix));
        figures.add(GridFigures.sites(study, suffix));
        figures.add(GridFigures.fixedRates(study, suffix));
        figures.add(CurveFigures.sequence(study, suffix));
        return figures;
    }
}
