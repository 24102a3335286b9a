// Every export called with nothing at all, and with structs of size zero: each refuses with a status, with and without
// an error to write to; none aborts, and no handle is left over.
#include "check.h"

using namespace test;

namespace {

// `call` takes the error pointer. Refused means INVALID_ARGUMENT and, where it can be written, a message.
template <class Call>
void refused(const char* name, Call&& call) {
  lethe_error error = no_error();
  if (call(&error) != LETHE_INVALID_ARGUMENT || error.status != LETHE_INVALID_ARGUMENT || error.message[0] == '\0') {
    report(__FILE__, __LINE__, std::string(name) + ": status " + std::to_string(error.status) + ", " + error.message);
  }
  if (call(nullptr) != LETHE_INVALID_ARGUMENT) report(__FILE__, __LINE__, std::string(name) + " without an error");
  // An error struct of another version is left alone.
  lethe_error foreign{};
  foreign.struct_size = 8;
  if (call(&foreign) != LETHE_INVALID_ARGUMENT || foreign.message[0] != '\0') report(__FILE__, __LINE__, name);
}
#define REFUSED(call) refused(#call, [&](lethe_error* err) { return call; })

void nothing() {
  REFUSED(lethe_build_info(nullptr, err));
  REFUSED(lethe_set_threads(-1, err));
  REFUSED(lethe_model_create(nullptr, nullptr, err));
  REFUSED(lethe_model_layout(nullptr, nullptr, err));
  REFUSED(lethe_model_tensors(nullptr, nullptr, 0, err));
  REFUSED(lethe_model_sites(nullptr, nullptr, 0, err));
  REFUSED(lethe_model_initialize(nullptr, 0, err));
  REFUSED(lethe_model_vector(nullptr, 0, nullptr, err));
  REFUSED(lethe_model_evaluate(nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_model_logits(nullptr, nullptr, nullptr, 0, err));
  REFUSED(lethe_model_gradient(nullptr, nullptr, 0, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_model_kl_gradient(nullptr, nullptr, nullptr, 0, nullptr, nullptr, err));
  REFUSED(lethe_model_token_gradient(nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_model_hidden_gradient(nullptr, nullptr, 0, nullptr, nullptr, 0, nullptr, nullptr, err));
  REFUSED(lethe_model_adamw(nullptr, nullptr, nullptr, err));
  REFUSED(lethe_model_curvature(nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_model_generate(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_vector_create(nullptr, nullptr, err));
  REFUSED(lethe_vector_combine(nullptr, 0, 0, nullptr, nullptr, err));
  REFUSED(lethe_vector_add_square(nullptr, 0, 0, nullptr, err));
  REFUSED(lethe_vector_divide_root(nullptr, nullptr, 1, nullptr, err));
  REFUSED(lethe_vector_random(nullptr, LETHE_NORMAL, 0, err));
  REFUSED(lethe_kfac_create(nullptr, nullptr, nullptr, err));
  REFUSED(lethe_kfac_describe(nullptr, nullptr, err));
  REFUSED(lethe_kfac_accumulate(nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_kfac_decompose(nullptr, nullptr, err));
  REFUSED(lethe_kfac_apply(nullptr, 0, 0, 1, nullptr, nullptr, err));
  REFUSED(lethe_kfac_accumulate_entries(nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_kfac_read(nullptr, 0, 0, LETHE_F32, nullptr, 0, err));
  REFUSED(lethe_kfac_write(nullptr, 0, 0, LETHE_F32, nullptr, 0, err));
  lethe_kfac_destroy(nullptr);
  REFUSED(lethe_group_open(nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_group_sum(nullptr, nullptr, nullptr, err));
  REFUSED(lethe_group_gather(nullptr, nullptr, 0, nullptr, nullptr, err));
  lethe_group_close(nullptr);
  REFUSED(lethe_vector_dot(nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_vector_read(nullptr, 0, 0, 0, nullptr, 0, err));
  REFUSED(lethe_vector_write(nullptr, 0, 0, 0, nullptr, 0, err));
  REFUSED(lethe_entry_bytes(nullptr, nullptr, 0, 0, nullptr, err));
  REFUSED(lethe_entry_describe(nullptr, 0, nullptr, err));
  REFUSED(lethe_entry_tokens(nullptr, 0, nullptr, nullptr, 0, err));
  REFUSED(lethe_entries_accumulate(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_entries_dot(nullptr, nullptr, nullptr, nullptr, 1, nullptr, nullptr, err));
  REFUSED(lethe_entries_cross(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, err));
  REFUSED(lethe_entries_gram(nullptr, nullptr, nullptr, 0, nullptr, nullptr, err));
  REFUSED(lethe_symmetric_eigen(1, nullptr, nullptr, err));
  REFUSED(lethe_symmetric_eigen(-1, nullptr, nullptr, err));
}

// A live model and vector, and structs whose size nobody set.
void unsized(lethe_model* model) {
  lethe_vector* raw = nullptr;
  CHECK_OK(lethe_vector_create(model, &raw, err));
  const VectorHandle vector(raw);
  const lethe_vector* vectors = vector.get();
  const lethe_batch batch{};
  const lethe_adamw adamw{};
  const lethe_generation generation{};
  const lethe_entry_format format{};
  const lethe_entries entries{};
  const lethe_capture capture{};
  const lethe_curvature curvature{};
  lethe_build build{};
  lethe_layout layout{};
  lethe_entry_info info{};
  int64_t lengths[4]{}, bytes = 0;
  int32_t tokens[4]{};
  double numbers[64]{};
  alignas(64) char memory[64]{};
  REFUSED(lethe_build_info(&build, err));
  const lethe_model_config config = tiny_config(LETHE_F32, true), unsized_config{};
  REFUSED(lethe_model_layout(&config, &layout, err));
  layout.struct_size = sizeof layout;
  REFUSED(lethe_model_layout(&unsized_config, &layout, err));
  std::vector<lethe_tensor_info> tensors(tensors_of(model).size());
  std::vector<lethe_site_info> sites(sites_of(model).size());
  REFUSED(lethe_model_tensors(&config, tensors.data(), static_cast<int64_t>(tensors.size()), err));
  REFUSED(lethe_model_tensors(&config, nullptr, static_cast<int64_t>(tensors.size()), err));
  REFUSED(lethe_model_sites(&config, sites.data(), static_cast<int64_t>(sites.size()), err));
  REFUSED(lethe_model_sites(&config, nullptr, static_cast<int64_t>(sites.size()), err));
  REFUSED(lethe_model_vector(model, LETHE_PARAMETERS, nullptr, err));
  REFUSED(lethe_model_evaluate(model, &batch, nullptr, numbers, nullptr, err));
  REFUSED(lethe_model_logits(model, &batch, numbers, 8, err));
  REFUSED(lethe_model_gradient(model, &batch, 0, &capture, numbers, nullptr, nullptr, err));
  const ModelHandle other = random_model(tiny_config(LETHE_F32, true), 2);
  REFUSED(lethe_model_kl_gradient(model, &batch, other.get(), 0, numbers, nullptr, err));
  REFUSED(lethe_model_kl_gradient(model, &batch, nullptr, 0, numbers, nullptr, err));
  const lethe_token_loss token_loss{};
  REFUSED(lethe_model_token_gradient(model, &batch, &token_loss, numbers, nullptr, err));
  REFUSED(lethe_model_token_gradient(model, &batch, nullptr, numbers, nullptr, err));
  REFUSED(lethe_model_hidden_gradient(model, &batch, 0, numbers, nullptr, 0, numbers, nullptr, err));
  REFUSED(lethe_model_adamw(model, &adamw, nullptr, err));
  REFUSED(lethe_model_curvature(model, &batch, &curvature, numbers, nullptr, err));
  REFUSED(lethe_model_generate(model, &batch, &generation, tokens, lengths, nullptr, err));
  const lethe_kfac_options kfac{};
  lethe_kfac* factors = nullptr;
  REFUSED(lethe_kfac_create(model, &kfac, &factors, err));
  REFUSED(lethe_entry_bytes(model, &format, 1, 1, &bytes, err));
  REFUSED(lethe_entry_describe(memory, 64, &info, err));
  REFUSED(lethe_entries_accumulate(model, &entries, numbers, nullptr, vector.get(), nullptr, err));
  REFUSED(lethe_entries_dot(model, &entries, nullptr, &vectors, 1, numbers, nullptr, err));
  REFUSED(lethe_entries_cross(model, &entries, &entries, nullptr, numbers, nullptr, err));
  REFUSED(lethe_entries_gram(model, &entries, nullptr, 64, numbers, nullptr, err));
  lethe_device device{};
  lethe_plan_request request{};
  lethe_plan plan{};
  REFUSED(lethe_device_info(0, &device, err));
  REFUSED(lethe_model_plan(&unsized_config, &request, &plan, err));
  REFUSED(lethe_model_plan(&config, &request, &plan, err));
  request.struct_size = sizeof request;
  REFUSED(lethe_model_plan(&config, &request, &plan, err));
}

// Calls whose every pointer may be missing.
void missing() {
  lethe_ring* ring = nullptr;
  lethe_ring_destroy(nullptr);
  CHECK_REFUSED(lethe_ring_create(nullptr, 1, 64, &ring, err), LETHE_INVALID_ARGUMENT, "model is NULL");
  CHECK_REFUSED(lethe_ring_take(nullptr, 1, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "ring is NULL");
  CHECK_REFUSED(lethe_ring_release(nullptr, err), LETHE_INVALID_ARGUMENT, "ring is NULL");
  CHECK_REFUSED(lethe_device_info(0, nullptr, err), LETHE_INVALID_ARGUMENT, "device is NULL");
  CHECK_REFUSED(lethe_model_plan(nullptr, nullptr, nullptr, err), LETHE_INVALID_ARGUMENT, "config is NULL");
}

}  // namespace

int main() {
  nothing();
  missing();
  {
    const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 1);
    unsized(model.get());
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
