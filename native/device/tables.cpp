// Lays the tables one after the other, each at a multiple of 16 bytes.
#include "tables.h"

#include <algorithm>
#include <cstring>

#include "../kernels/tables.h"

namespace lethe::device {
namespace {

// Hands out places in two blocks at once: where a table is written and where it will be on the device.
class Placer {
 public:
  Placer(char* host, char* device, size_t used = 0) : host_(host), device_(device), used_(used) {}

  template <class T>
  T* place(int64_t count, const T*& on_device) {
    T* here = reinterpret_cast<T*>(host_ + used_);
    on_device = reinterpret_cast<const T*>(device_ + used_);
    used_ += (static_cast<size_t>(count) * sizeof(T) + 15) / 16 * 16;
    return here;
  }
  void copy(const std::vector<int32_t>& values, const int32_t*& on_device) {
    std::memcpy(place(static_cast<int64_t>(values.size()), on_device), values.data(), values.size() * sizeof(int32_t));
  }
  size_t used() const { return used_; }

 private:
  char *host_, *device_;
  size_t used_;
};

int32_t narrow(int64_t value) { return static_cast<int32_t>(value); }

void place_records(const Batch& batch, Placer& placer, Tables& t, const int32_t*& offsets) {
  int32_t* begins = placer.place(t.records + 1, offsets);
  int32_t* numbers = placer.place(t.records, t.record_numbers);
  int32_t* zeros = placer.place(t.records, t.record_zeros);
  double* inverse = placer.place(t.records, t.inverse_weights);
  t.longest = 0;
  for (int64_t b = 0; b < t.records; ++b) {
    begins[b] = narrow(batch.offset(b));
    numbers[b] = narrow(b);
    zeros[b] = 0;
    inverse[b] = 1.0 / batch.weight(b);
    t.longest = std::max(t.longest, batch.length(b));
  }
  begins[t.records] = narrow(t.rows);
}

// Returns the positions, as they lie on the host.
const int32_t* place_rows(const Batch& batch, Placer& placer, Tables& t) {
  std::memcpy(placer.place(t.rows, t.tokens), batch.tokens(), static_cast<size_t>(t.rows) * sizeof(int32_t));
  int32_t* positions = placer.place(t.rows, t.positions);
  int32_t* records = placer.place(t.rows, t.row_records);
  for (int64_t b = 0; b < t.records; ++b) {
    for (int64_t row = batch.offset(b); row < batch.offset(b + 1); ++row) {
      positions[row] = narrow(row - batch.offset(b));
      records[row] = narrow(b);
    }
  }
  return positions;
}

void place_targets(const Batch& batch, Placer& placer, Tables& t) {
  int32_t* rows = placer.place(t.targets, t.target_rows);
  int32_t* inverse = placer.place(t.rows, t.row_targets);
  int32_t* tokens = placer.place(t.targets, t.target_tokens);
  int32_t* records = placer.place(t.targets, t.target_records);
  int32_t* positions = placer.place(t.targets, t.target_positions);
  double* scales = placer.place(t.targets, t.target_scales);
  std::fill(inverse, inverse + t.rows, -1);
  for (int64_t i = 0; i < t.targets; ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t record = batch.target_records()[at];
    rows[i] = narrow(batch.target_rows()[at]);
    inverse[rows[i]] = narrow(i);
    tokens[i] = batch.target_tokens()[at];
    records[i] = narrow(record);
    positions[i] = narrow(i - batch.target_offset(record));
    scales[i] = batch.row_scale(at);
  }
}

void place_groups(const int32_t* ids, int64_t rows, Placer& placer, Tables::Groups& groups) {
  const kernels::RowGroups made = kernels::group_rows(ids, rows);
  placer.copy(made.ids, groups.ids);
  placer.copy(made.starts, groups.starts);
  placer.copy(made.rows, groups.rows);
  groups.count = static_cast<int64_t>(made.ids.size());
}

}  // namespace

void Tables::upload(const Batch& batch, const at::Device& device, StreamHandle stream) {
  records = batch.records(), rows = batch.rows(), targets = batch.targets() == nullptr ? 0 : batch.target_count();
  require(rows < (int64_t{1} << 31), "batch.tokens_total is ", rows, ", a device takes less than 2^31");
  const kernels::RowCut cut = kernels::cut_rows(batch.offsets(), records);
  const size_t most = static_cast<size_t>(10 * rows + 7 * targets + 5 * records + 8) * sizeof(int32_t) +
                      (cut.starts.size() + cut.records.size()) * sizeof(int32_t) + size_t{24} * 16;
  if (host_.bytes() < most) host_ = Pinned(most + most / 4);
  const at::Tensor block = device_.get(at::TensorOptions().dtype(at::kInt).device(device),
                                       static_cast<int64_t>(host_.bytes() / sizeof(int32_t)));
  on_device_ = static_cast<char*>(block.mutable_data_ptr());
  Placer placer(host_.data(), on_device_);
  const int32_t* begins = nullptr;
  place_records(batch, placer, *this, begins);
  host_positions_ = place_rows(batch, placer, *this);
  place_targets(batch, placer, *this);
  placer.copy(cut.starts, chunks.starts);
  placer.copy(cut.records, chunks.records);
  chunks.count = static_cast<int64_t>(cut.starts.size()) - 1;
  chunks.record_count = records;
  used_ = placer.used();
  to_device(on_device_, host_.data(), used_, stream);
  offsets = block.narrow(0, (reinterpret_cast<const char*>(begins) - on_device_) / 4, records + 1);
}

void Tables::group(const Batch& batch, StreamHandle stream) {
  Placer placer(host_.data(), on_device_, used_);
  place_groups(host_positions_, rows, placer, by_position);
  place_groups(batch.tokens(), rows, placer, by_token);
  to_device(on_device_ + used_, host_.data() + used_, placer.used() - used_, stream);
}

}  // namespace lethe::device
