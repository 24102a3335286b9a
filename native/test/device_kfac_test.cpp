// Kronecker factors on the emulated device against the CPU's: both passes, by what they make of a vector at several
// powers, which no choice of an eigenvector's sign changes; every family in fp64 and fp32, bf16 around fp32; labels of the
// batch and drawn ones, and entries; numbers that one place wrote and the other reads; and what is refused.
#include "captured.h"
#include "device_shapes.h"

using namespace test;

namespace {

constexpr Precision kWide{LETHE_F64, 0, 1e-9, "fp64"};
constexpr Precision kHalf{LETHE_F32, 0, 1e-4, "fp32"};

struct KfacDestroy {
  void operator()(lethe_kfac* kfac) const { lethe_kfac_destroy(kfac); }
};
using KfacHandle = std::unique_ptr<lethe_kfac, KfacDestroy>;

KfacHandle make_kfac(const lethe_model* model, const std::vector<uint8_t>& sites, int32_t fisher, int32_t stage = 0,
                     int64_t records = 0) {
  auto options = sized<lethe_kfac_options>();
  options.sites = sites.data();
  options.site_count = static_cast<int64_t>(sites.size());
  options.fisher = fisher;
  options.stage = stage;
  options.records = records;
  options.seed = 9;
  lethe_kfac* kfac = nullptr;
  CHECK_OK(lethe_kfac_create(model, &options, &kfac, err));
  return KfacHandle(kfac);
}

std::vector<double> losses_of(lethe_kfac* kfac, lethe_model* model, const Ragged& batch) {
  std::vector<double> losses(batch.records());
  const lethe_batch view = batch.view();
  CHECK_OK(lethe_kfac_accumulate(kfac, model, &view, losses.data(), nullptr, err));
  return losses;
}

std::vector<double> applied(const lethe_kfac* kfac, const lethe_model* model, const std::vector<double>& values,
                            double power) {
  const VectorHandle in = make_vector(model), out = make_vector(model);
  const auto count = static_cast<int64_t>(values.size());
  CHECK_OK(lethe_vector_write(in.get(), 0, count, LETHE_F64, values.data(), count * 8, err));
  CHECK_OK(lethe_kfac_apply(kfac, 1e-3, 0.1, power, in.get(), out.get(), err));
  return read(model, out.get());
}

std::vector<double> numbers_of(const lethe_kfac* kfac) {
  auto info = sized<lethe_kfac_info>();
  CHECK_OK(lethe_kfac_describe(kfac, &info, err));
  std::vector<double> numbers(static_cast<size_t>(info.elements));
  CHECK_OK(lethe_kfac_read(kfac, 0, info.elements, LETHE_F64, numbers.data(), info.elements * 8, err));
  return numbers;
}

// Decomposed factors with another's numbers, in another place or in the same.
KfacHandle copy_of(const lethe_kfac* kfac, const lethe_model* model, const std::vector<uint8_t>& sites, int32_t fisher) {
  auto info = sized<lethe_kfac_info>();
  CHECK_OK(lethe_kfac_describe(kfac, &info, err));
  KfacHandle copy = make_kfac(model, sites, fisher, info.stage, info.records);
  CHECK_OK(lethe_kfac_write(copy.get(), 0, info.elements, LETHE_F64, numbers_of(kfac).data(), info.elements * 8, err));
  return copy;
}

// Where a pass's records come from: batches, or entries that were captured of them on the CPU.
enum class From { kBatches, kEntries };

void all_of(const lethe_model_config& shape, const Precision& precision, int32_t fisher, From from = From::kBatches) {
  const Pair pair = pair_of(shape, precision);
  const std::vector<uint8_t> sites = all_sites(pair.cpu.get());
  const KfacHandle cpu = make_kfac(pair.cpu.get(), sites, fisher);
  KfacHandle device = make_kfac(pair.device.get(), sites, fisher);
  const Ragged first = random_batch({7, 1, 33, 5}, pair.vocabulary(), 11, 3), second = random_batch({12, 4}, pair.vocabulary(), 12);
  const std::vector<double> vector = gradient(pair.cpu.get(), second);
  const auto pass = [&] {
    for (const Ragged* batch : {&first, &second}) {
      if (from == From::kEntries) {
        const Captured captured = capture(pair.cpu.get(), *batch, sites, pair.vocabulary() / 2, precision.dtype);
        const lethe_entries entries = captured.view();
        CHECK_OK(lethe_kfac_accumulate_entries(cpu.get(), pair.cpu.get(), &entries, nullptr, err));
        CHECK_OK(lethe_kfac_accumulate_entries(device.get(), pair.device.get(), &entries, nullptr, err));
        continue;
      }
      pair.same(losses_of(device.get(), pair.device.get(), *batch), losses_of(cpu.get(), pair.cpu.get(), *batch), "losses");
    }
  };
  const auto powers = [&](const std::string& what) {
    for (const double power : {-1.0, 0.5, 1.0})
      pair.same(applied(device.get(), pair.device.get(), vector, power), applied(cpu.get(), pair.cpu.get(), vector, power),
                what + " power " + std::to_string(power), 10);
  };
  pass();
  for (lethe_kfac* kfac : {cpu.get(), device.get()}) CHECK_OK(lethe_kfac_decompose(kfac, nullptr, err));
  powers("covariance");
  // Eigenvectors of one eigenvalue may be any of their span: the second pass is compared over the same ones.
  device = copy_of(cpu.get(), pair.device.get(), sites, fisher);
  pass();
  pair.same(numbers_of(device.get()), numbers_of(cpu.get()), "corrected numbers", 10);
  powers("correction");
}

void refusals() {
  const Pair pair = pair_of(plain(), kWide);
  const std::vector<uint8_t> sites = all_sites(pair.cpu.get());
  const KfacHandle kfac = make_kfac(pair.device.get(), sites, LETHE_FISHER_EMPIRICAL);
  const Ragged batch = random_batch({4, 3}, pair.vocabulary(), 17);
  const lethe_batch view = batch.view();
  double losses[2];
  CHECK_REFUSED(lethe_kfac_accumulate(kfac.get(), pair.cpu.get(), &view, losses, nullptr, err), LETHE_INVALID_ARGUMENT,
                "on another device than the factors");
  CHECK_OK(lethe_kfac_accumulate(kfac.get(), pair.device.get(), &view, losses, nullptr, err));
  CHECK_OK(lethe_kfac_decompose(kfac.get(), nullptr, err));
  const VectorHandle here = make_vector(pair.cpu.get()), there = make_vector(pair.device.get());
  CHECK_REFUSED(lethe_kfac_apply(kfac.get(), 1, 0, -1, here.get(), there.get(), err), LETHE_INVALID_ARGUMENT,
                "on another device than the factors");
  CHECK_OK(lethe_kfac_apply(kfac.get(), 1, 0, -1, there.get(), there.get(), err));
  CHECK_REFUSED(lethe_kfac_apply(kfac.get(), 0, 0, -1, there.get(), there.get(), err), LETHE_INVALID_ARGUMENT,
                "has a zero eigenvalue");
}

}  // namespace

int main() {
  size_t number = 0;
  for (const lethe_model_config& shape : shapes()) {
    const int before = failures;
    for (const Precision& precision : {kWide, kHalf}) {
      all_of(shape, precision, LETHE_FISHER_EMPIRICAL);
      all_of(shape, precision, LETHE_FISHER_SAMPLED);
      if (number == 0) all_of(shape, precision, LETHE_FISHER_EMPIRICAL, From::kEntries);
    }
    if (number % 4 == 0) all_of(shape, kNarrowest, LETHE_FISHER_EMPIRICAL);
    if (failures > before) report(__FILE__, __LINE__, "shape " + std::to_string(number));
    ++number;
  }
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
