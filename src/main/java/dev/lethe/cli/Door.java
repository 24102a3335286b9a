package dev.lethe.cli;

import dev.lethe.Lethe;
import dev.lethe.console.ModelPlace;

/** Lethe as a command has it: a job runs where it is asked for, on the command's own thread, which hears Ctrl-C. */
final class Door {
    private Door() { }

    static Lethe.Builder of(ModelPlace place) {
        place.useBase();
        return Lethe.builder().device(place.device()).compute(place.compute()).threads(place.threads()).executor(Runnable::run);
    }
}
