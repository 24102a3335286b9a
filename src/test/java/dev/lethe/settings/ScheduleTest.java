package dev.lethe.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ScheduleTest {

    @Test
    void equalsTransformers() throws IOException {
        int checked = 0;
        try (InputStream golden = ScheduleTest.class.getResourceAsStream("/golden/schedules.json")) {
            for (JsonNode example : JsonMapper.shared().readTree(golden).get("cases")) {
                Schedule schedule = Schedule.valueOf(example.get("schedule").asString());
                JsonNode factors = example.get("factors");
                for (int step = 0; step < factors.size(); step++) {
                    assertEquals(factors.get(step).asDouble(),
                            schedule.factor(step, example.get("warmup").asLong(), example.get("total").asLong()), 1e-15,
                            schedule + " step " + step + " of " + example);
                    checked++;
                }
            }
        }
        assertTrue(checked > 50, "only " + checked + " values");
    }

    @Test
    void refusesNonsense() {
        assertEquals("step -1, warm-up 0, total 5: step and warm-up must not be negative and total must be at least 1",
                assertThrows(IllegalArgumentException.class, () -> Schedule.LINEAR.factor(-1, 0, 5)).getMessage());
    }
}
