// What the boundary says no to, in which words, and that nothing worse happens: bad structs, batches, options, numbers
// that are not finite, cancellation.
#include <omp.h>

#include <limits>
#include <thread>

#include "check.h"

using namespace test;

namespace {

void configs() {
  const auto refused = [](auto&& change, const char* text) {
    lethe_model_config config = tiny_config(LETHE_F32, true);
    change(config);
    lethe_model* model = nullptr;
    CHECK_REFUSED(lethe_model_create(&config, &model, err), LETHE_INVALID_ARGUMENT, text);
    CHECK(model == nullptr);
  };
  refused([](auto& c) { c.struct_size = 8; }, "config.struct_size is 8, this library expects");
  refused([](auto& c) { c.heads = 3; }, "channels 8 is not divisible by heads 3");
  refused([](auto& c) { c.layers = 0, c.inner = -4; }, "layers is 0, allowed 1 to 2^31 - 1; inner is -4");
  refused([](auto& c) { c.norm_epsilon = std::nan(""); }, "norm_epsilon is nan");
  refused([](auto& c) { c.dtype = LETHE_BF16; }, "config.dtype is 3");
  refused([](auto& c) { c.device_type = 5; }, "config.device_type is 5");
  refused([](auto& c) { c.tied_head = 2; }, "config.tied_head is 2");
  refused([](auto& c) { c.compute_dtype = LETHE_F16; }, "config.compute_dtype is 2");
  refused([](auto& c) { c.dtype = LETHE_F64, c.compute_dtype = LETHE_BF16; }, "config.compute_dtype is 3");
  refused([](auto& c) { c.options = 64; }, "config.options is 64");
  lethe_model_config huge = tiny_config(LETHE_F32, true);
  huge.vocabulary = huge.channels = int64_t{1} << 26;
  lethe_model* model = nullptr;
  CHECK_REFUSED(lethe_model_create(&huge, &model, err), LETHE_OUT_OF_MEMORY, "cannot allocate");
  CHECK_REFUSED(lethe_model_create(nullptr, &model, err), LETHE_INVALID_ARGUMENT, "config is NULL");
  CHECK(lethe_model_create(nullptr, nullptr, nullptr) == LETHE_INVALID_ARGUMENT);
  auto build = sized<lethe_build>();
  CHECK_OK(lethe_build_info(&build, err));
  CHECK(std::string(build.torch_version).starts_with("2.") && build.threads >= 1);
  if (build.cuda_devices == 0) {
    lethe_model_config cuda = tiny_config(LETHE_F32, true);
    cuda.device_type = LETHE_CUDA;
    CHECK_REFUSED(lethe_model_create(&cuda, &model, err), LETHE_UNSUPPORTED, "no CUDA device");
  }
}

void batches(lethe_model* model) {
  const auto refused = [&](auto&& change, const char* text) {
    Ragged batch = random_batch({3, 5, 9}, 23, 1);
    lethe_batch view = batch.view();
    change(batch, view);
    std::vector<double> losses(3);
    CHECK_REFUSED(lethe_model_evaluate(model, &view, nullptr, losses.data(), nullptr, err), LETHE_INVALID_ARGUMENT,
                  text);
    CHECK_REFUSED(lethe_model_gradient(model, &view, 0, nullptr, losses.data(), nullptr, nullptr, err),
                  LETHE_INVALID_ARGUMENT, text);
  };
  refused([](auto&, auto& v) { v.struct_size = 0; }, "batch.struct_size is 0");
  refused([](auto&, auto& v) { v.records = 0; }, "batch.records is 0");
  refused([](auto&, auto& v) { v.records = std::numeric_limits<int64_t>::max(); }, "batch.tokens_total is 17 for");
  refused([](auto&, auto& v) { v.tokens_total = 16; }, "batch.offsets[3] is 17");
  refused([](auto&, auto& v) { v.tokens_total = 18; }, "must equal tokens_total 18");
  refused([](auto&, auto& v) { v.offsets = nullptr; }, "batch.offsets is NULL");
  refused([](auto&, auto& v) { v.targets = nullptr; }, "batch.targets is NULL");
  refused([](auto& b, auto&) { b.offsets[0] = 1; }, "batch.offsets[0] is 1");
  refused([](auto& b, auto&) { b.offsets[2] = 3; }, "batch.offsets[2] is 3, must be over 3");
  refused([](auto& b, auto&) { b.offsets[1] = -1; }, "batch.offsets[1] is -1");
  refused([](auto& b, auto&) { b.offsets[2] = 7; }, "record 2 of the batch has 10 tokens, the model's context is 9");
  refused([](auto& b, auto&) { b.tokens[4] = 23; }, "batch.tokens[4] is 23, the vocabulary is 0 to 22");
  refused([](auto& b, auto&) { b.tokens[4] = -1; }, "batch.tokens[4] is -1");
  refused([](auto& b, auto&) { b.targets[16] = -7; }, "batch.targets[16] is -7");
  refused([](auto& b, auto&) { b.weights[1] = 0; }, "batch.weights[1] is 0, must be finite and not 0");
  refused([](auto& b, auto&) { b.weights[1] = std::nan(""); }, "batch.weights[1] is nan");

  const Ragged good = random_batch({3}, 23, 1);
  const lethe_batch view = good.view();
  double loss = 0;
  CHECK_REFUSED(lethe_model_evaluate(nullptr, &view, nullptr, &loss, nullptr, err), LETHE_INVALID_ARGUMENT,
                "model is NULL");
  CHECK_REFUSED(lethe_model_evaluate(model, &view, nullptr, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT,
                "losses is NULL");
  auto scores = sized<lethe_token_scores>();
  scores.struct_size = 1;
  CHECK_REFUSED(lethe_model_evaluate(model, &view, &scores, &loss, nullptr, err), LETHE_INVALID_ARGUMENT,
                "scores.struct_size");
  float logits[3 * 23];
  CHECK_REFUSED(lethe_model_logits(model, &view, logits, sizeof(logits) - 1, err), LETHE_INVALID_ARGUMENT,
                "bytes is 275");
}

void options(lethe_model* model) {
  const auto adamw = [&](auto&& change, const char* text) {
    auto o = sized<lethe_adamw>();
    o.learning_rate = 1e-3, o.beta1 = 0.9, o.beta2 = 0.99, o.epsilon = 1e-8, o.step = 1;
    change(o);
    CHECK_REFUSED(lethe_model_adamw(model, &o, nullptr, err), LETHE_INVALID_ARGUMENT, text);
  };
  adamw([](auto& o) { o.step = 0; }, "adamw.step is 0");
  adamw([](auto& o) { o.beta1 = 1; }, "adamw.beta1 is 1, must be in [0, 1)");
  adamw([](auto& o) { o.learning_rate = std::nan(""); }, "adamw.learning_rate is nan");
  adamw([](auto& o) { o.max_norm = -1; }, "adamw.max_norm is -1");
  const auto generation = [&](auto&& change, const char* text) {
    auto o = sized<lethe_generation>();
    o.max_new_tokens = 2, o.temperature = 1, o.stop_token = -1;
    change(o);
    const Ragged prompt = random_batch({3}, 23, 1);
    const lethe_batch view = prompt.view();
    int32_t tokens[2];
    int64_t length = 0;
    CHECK_REFUSED(lethe_model_generate(model, &view, &o, tokens, &length, nullptr, err), LETHE_INVALID_ARGUMENT, text);
  };
  generation([](auto& o) { o.max_new_tokens = 0; }, "generation.max_new_tokens is 0");
  generation([](auto& o) { o.temperature = 0; }, "generation.temperature is 0");
  generation([](auto& o) { o.stop_token = 23; }, "generation.stop_token is 23");
  generation([](auto& o) { o.top_k = -1; }, "generation.top_k is -1");
  CHECK_REFUSED(lethe_set_threads(1025, err), LETHE_INVALID_ARGUMENT, "threads is 1025, allowed 0 (as loaded) to 1024");
}

void copies(lethe_model* model) {
  double value = 0;
  const int64_t p = layout_of(model).flat_size;
  lethe_vector* vector = vector_of(model, LETHE_PARAMETERS);
  const auto refused = [&](int64_t offset, int64_t count, int32_t dtype, int64_t bytes, const char* text) {
    CHECK_REFUSED(lethe_vector_read(vector, offset, count, dtype, &value, bytes, err), LETHE_INVALID_ARGUMENT, text);
    CHECK_REFUSED(lethe_vector_write(vector, offset, count, dtype, &value, bytes, err), LETHE_INVALID_ARGUMENT, text);
  };
  refused(-1, 1, LETHE_F64, 8, "offset is -1");
  refused(p, 1, LETHE_F64, 8, "count is 1 from offset");
  refused(1, std::numeric_limits<int64_t>::max(), LETHE_F64, 8, "count is 9223372036854775807");
  refused(0, 2, LETHE_F64, 15, "bytes is 15, 2 elements need 16");
  refused(0, 1, 9, 8, "dtype is 9");
  CHECK_REFUSED(lethe_vector_read(vector, 0, 1, LETHE_F64, nullptr, 8, err), LETHE_INVALID_ARGUMENT, "is NULL");
}

void not_finite() {
  const ModelHandle model = random_model(tiny_config(LETHE_F32, false), 1);
  const Ragged batch = random_batch({3, 4, 5}, 23, 1);
  const lethe_batch view = batch.view();
  std::vector<double> values = read(model.get(), LETHE_PARAMETERS), losses(3);
  values[static_cast<size_t>(batch.tokens[3]) * 8] = std::nan("");  // in the embedding of record 1's first token
  write(model.get(), LETHE_PARAMETERS, values);
  CHECK_REFUSED(lethe_model_evaluate(model.get(), &view, nullptr, losses.data(), nullptr, err), LETHE_NOT_FINITE,
                "the loss of record 1 of the batch is ");
  CHECK_REFUSED(lethe_model_gradient(model.get(), &view, 0, nullptr, losses.data(), nullptr, nullptr, err),
                LETHE_NOT_FINITE, "the loss of record 1 of the batch is ");
  auto o = sized<lethe_generation>();
  o.max_new_tokens = 2, o.top_k = 1, o.stop_token = -1;
  std::vector<int32_t> tokens(6);
  std::vector<int64_t> lengths(3);
  CHECK_REFUSED(lethe_model_generate(model.get(), &view, &o, tokens.data(), lengths.data(), nullptr, err),
                LETHE_NOT_FINITE, "the logits of record 1 are not finite");
}

void cancellation(lethe_model* model) {
  const Ragged batch = random_batch({3, 4}, 23, 1);
  const lethe_batch view = batch.view();
  const int32_t cancelled = 1, running = 0;
  std::vector<double> losses(2);
  CHECK_REFUSED(lethe_model_evaluate(model, &view, nullptr, losses.data(), &cancelled, err), LETHE_CANCELLED,
                "cancelled");
  CHECK_REFUSED(lethe_model_gradient(model, &view, 0, nullptr, losses.data(), nullptr, &cancelled, err),
                LETHE_CANCELLED, "cancelled");
  CHECK_OK(lethe_model_gradient(model, &view, 0, nullptr, losses.data(), nullptr, &running, err));
}

// The usual number stays the process's, whoever asks after having set another.
void threads() {
  auto build = sized<lethe_build>();
  CHECK_OK(lethe_set_threads(1, err));
  CHECK_OK(lethe_build_info(&build, err));
  const int asked_late = build.threads;
  std::thread([&] { CHECK_OK(lethe_build_info(&build, err)); }).join();
  CHECK(build.threads == asked_late);
  int usual = 0;
  std::thread([&] { usual = omp_get_max_threads(); }).join();
  CHECK(asked_late == usual);
  CHECK_OK(lethe_set_threads(0, err));
}

}  // namespace

int main() {
  CHECK(lethe_abi_version() == LETHE_ABI_VERSION);
  threads();
  configs();
  {
    const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 1);
    CHECK(lethe_live_handles() == 1);
    batches(model.get());
    options(model.get());
    copies(model.get());
    not_finite();
    cancellation(model.get());
  }
  lethe_model_destroy(nullptr);
  lethe_vector_destroy(nullptr);
  CHECK(lethe_live_handles() == 0);
  return finish();
}
