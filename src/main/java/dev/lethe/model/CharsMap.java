package dev.lethe.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/**
 * The table of a Precompiled normalizer, as SentencePiece writes it: bytes of a double array of 32-bit units, the units,
 * texts that end with NUL. The tokenizer library follows it without looking, so every place that a unit, reached or not, can
 * lead to is looked at here.
 */
final class CharsMap {
    private static final int BLOCK = 256;

    private CharsMap() {
    }

    static boolean isSound(String base64) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(Base64.getDecoder().decode(base64)).order(ByteOrder.LITTLE_ENDIAN);
            int units = bytes.remaining() < Integer.BYTES ? 0 : bytes.getInt();
            if (units < BLOCK * Integer.BYTES || units % (BLOCK * Integer.BYTES) != 0 || units > bytes.remaining()) {
                return false;
            }
            int[] array = new int[units / Integer.BYTES];
            bytes.asIntBuffer().get(array);
            ByteBuffer texts = bytes.position(bytes.position() + units).slice();
            StandardCharsets.UTF_8.newDecoder().decode(texts.duplicate());
            return leadsToTexts(array, texts);
        } catch (IllegalArgumentException | CharacterCodingException e) {
            return false; // no base64, no UTF-8
        }
    }

    private static boolean leadsToTexts(int[] array, ByteBuffer texts) {
        for (int at = 0; at < array.length; at++) {
            int unit = array[at];
            if (unit < 0 && at > 0) {
                continue; // a value, or unused
            }
            int child = at ^ unit >>> 10 << ((unit & 1 << 9) >> 6);
            if (child / BLOCK >= array.length / BLOCK) {
                return false;
            }
            int text = array[child] & Integer.MAX_VALUE;
            boolean leaf = (unit >> 8 & 1) == 1;
            if (leaf && (text > texts.limit() || text < texts.limit() && (texts.get(text) & 0xC0) == 0x80)) {
                return false;
            }
        }
        return true;
    }
}
