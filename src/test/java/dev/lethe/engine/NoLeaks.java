package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** {@code @ExtendWith(NoLeaks.class)}: after a native test class no model and no vector is left open. */
public final class NoLeaks implements AfterAllCallback {
    @Override
    public void afterAll(ExtensionContext context) {
        assertEquals(0, Engine.liveHandles(), "native handles left open by " + context.getDisplayName());
    }
}
