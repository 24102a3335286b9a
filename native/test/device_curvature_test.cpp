// Curvature products on the emulated device against the CPU's: Hessian and Gauss-Newton, one direction and several, whole
// and over chosen sites, products, records' quadratic forms and losses; every family in fp64 and fp32, and bf16 around
// fp32, whose tangents are computed in fp32.
#include "curved.h"
#include "device_shapes.h"

using namespace test;

namespace {

constexpr Precision kWide{LETHE_F64, 0, 1e-9, "fp64"};
constexpr Precision kHalf{LETHE_F32, 0, 1e-4, "fp32"};
constexpr Precision kAround{LETHE_F32, LETHE_BF16, 1e-4, "bf16"};

void same(const Pair& pair, const Ragged& batch, int32_t kind, const std::vector<Vector>& directions,
          const std::vector<uint8_t>& sites, const Vector& start, const std::string& what) {
  const Curved cpu = curvature(pair.cpu.get(), batch, kind, directions, sites, start);
  const Curved device = curvature(pair.device.get(), batch, kind, directions, sites, start);
  const std::string name = what + (kind == LETHE_HESSIAN ? " hessian" : " gauss-newton");
  for (size_t k = 0; k < directions.size(); ++k) {
    pair.same(device.products[k], cpu.products[k], name + " product");
    for (const lethe_tensor_info& tensor : tensors_of(pair.cpu.get())) {
      // Against the whole, as the key bias's gradient has no curvature of its own.
      const auto begin = static_cast<size_t>(tensor.offset), end = begin + static_cast<size_t>(tensor.rows * tensor.columns);
      const double error = relative(device.products[k], cpu.products[k], begin, end);
      if (!(error <= 10 * pair.precision.tolerance))
        report(__FILE__, __LINE__, std::string(pair.precision.name) + " " + name + " " + tensor.name + ": " + std::to_string(error));
    }
  }
  pair.same(device.quadratic, cpu.quadratic, name + " forms");
  pair.same(device.losses, cpu.losses, name + " losses");
}

void all_of(const lethe_model_config& shape, const Precision& precision) {
  Pair pair = pair_of(shape, precision);
  const Ragged batch = random_batch({7, 33, 1, 5, 5}, pair.vocabulary(), 11, 3);
  const lethe_model* cpu = pair.cpu.get();
  const Vector v = random_direction(cpu, 3), u = random_direction(cpu, 4);
  const size_t sites = sites_of(cpu).size();
  for (const int32_t kind : {LETHE_HESSIAN, LETHE_GAUSS_NEWTON}) {
    same(pair, batch, kind, {v}, {}, {}, "one");
    same(pair, batch, kind, {v, u}, {}, u, "two added");
    if (precision.dtype == LETHE_F32) continue;
    for (const size_t site : {size_t{0}, sites / 2, sites - 2, sites - 1})
      same(pair, batch, kind, {v}, only_site(cpu, site), {}, "site " + std::to_string(site));
  }
  // A pass of another type and shape before and after.
  if (precision.compute != 0) pair.precision = kNarrowest;
  gradients(pair);
  pair.precision = precision;
  same(pair, random_batch({12, 12}, pair.vocabulary(), 12), LETHE_HESSIAN, {v}, {}, {}, "another batch");
  const Ragged silent = random_batch({4}, pair.vocabulary(), 6, 0);
  CHECK(curvature(pair.device.get(), silent, LETHE_HESSIAN, {v}).products[0] == Vector(v.size()));
}

// What is refused on the CPU is refused on a device, and a loss that is not finite says which record's it is.
void refusals() {
  const Pair pair = pair_of(plain(), kWide);
  lethe_model* const model = pair.device.get();
  const Ragged batch = random_batch({4, 3}, pair.vocabulary(), 17);
  const lethe_batch view = batch.view();
  const VectorHandle v = make_vector(model);
  const lethe_vector* in = v.get();
  double losses[2], quadratic[2];
  auto options = sized<lethe_curvature>();
  options.count = 1;
  options.directions = &in;
  options.quadratic = quadratic;
  CHECK_OK(lethe_model_curvature(model, &view, &options, losses, nullptr, err));
  options.count = 0;
  CHECK_REFUSED(lethe_model_curvature(model, &view, &options, losses, nullptr, err), LETHE_INVALID_ARGUMENT, "count is 0");
  options.count = 1;
  std::vector<double> values = read(model, LETHE_PARAMETERS);
  for (double& value : values) value = std::nan("");
  write(model, LETHE_PARAMETERS, values);
  CHECK_REFUSED(lethe_model_curvature(model, &view, &options, losses, nullptr, err), LETHE_NOT_FINITE,
                "the loss of record 0 of the batch");
  const int32_t raised = 1;
  CHECK_REFUSED(lethe_model_curvature(model, &view, &options, losses, &raised, err), LETHE_CANCELLED, "cancelled");
}

}  // namespace

int main() {
  size_t number = 0;
  for (const lethe_model_config& shape : shapes()) {
    const int before = failures;
    for (const Precision& precision : {kWide, kHalf, kAround}) {
      if (precision.compute != 0 && number % 4 != 0) continue;
      all_of(shape, precision);
    }
    if (failures > before) report(__FILE__, __LINE__, "shape " + std::to_string(number));
    ++number;
  }
  refusals();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
