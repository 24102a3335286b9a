// Decoding on the device.
#pragma once

#include "../src/decode.h"
#include "state.h"

namespace lethe::device {

// The prompts' tables must be uploaded.
std::unique_ptr<Decoder> make_decoder(State& state, Model& model, const Batch& prompts, int64_t capacity);

}  // namespace lethe::device
