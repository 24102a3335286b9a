package dev.lethe.sweep;

import dev.lethe.results.EraseListener;
import dev.lethe.results.TrainListener;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;

/** Watches a study. Called on the studying thread; every method does nothing unless overridden. */
public interface StudyListener {
    /** Hears nothing. */
    StudyListener SILENT = new StudyListener() { };

    /** The study is about to do this many cells, of which so many are there already. */
    default void started(int cells, int done) { }

    /** A cell is begun: its number from 1. */
    default void cell(int number, int cells, Cell cell, String variant) { }

    /** A cell was measured. */
    default void measured(CellResult result) { }

    /** Something a reader should know. */
    default void remark(String text) { }

    /** Watches a training of this name. */
    default TrainListener training(String name) {
        return TrainListener.silent();
    }

    /** Watches an erasure. */
    default EraseListener erasing() {
        return EraseListener.NONE;
    }
}
