package dev.lethe.cli;

import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Shared key heads and a tied table; norms of heads that are wider than the stream; a parallel block. */
@ParameterizedClass(name = "{0}")
@ValueSource(strings = {"llama", "qwen3", "pythia"})
class FamilyCommandsTest extends FamilyCommands {
}
