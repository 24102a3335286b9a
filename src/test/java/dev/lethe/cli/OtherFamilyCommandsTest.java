package dev.lethe.cli;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** The kinds that have less of their own. */
@Tag("extended")
@ParameterizedClass(name = "{0}")
@ValueSource(strings = {"qwen2", "sequential"})
class OtherFamilyCommandsTest extends FamilyCommands {
}
