// The device path of one model: device.h's door, implemented over the passes and kernels of this folder.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "entries_out.h"
#include "ops.h"
#include "ring_device.h"
#include "state.h"

namespace lethe::device {

// Path's members lie in path.cpp, flat_device.cpp, distances.cpp, observed.cpp and entries_device.cpp.
class Path final : public DevicePath, public std::enable_shared_from_this<Path> {
 public:
  explicit Path(const lethe_model_config& config);
  ~Path() override;  // what the model had is the device's again, not kept for the process's next one

  at::Device device() const { return state_.runtime.device(); }
  std::unique_ptr<DeviceScope> enter() override { return state_.runtime.enter(); }
  void wait() override { state_.runtime.wait(); }
  void release() override;

  void parameters_changed() override { state_.stale = true; }
  void gradient(Model& model, const Batch& batch, const GradientCall& call, const Cancel& cancel) override;
  void evaluate(Model& model, const Batch& batch, const RowScores& scores, const Cancel& cancel) override;
  void logits(Model& model, const Batch& batch, const at::Tensor& out) override;
  void token_gradient(Model& model, const Batch& batch, const TokenCall& call, const Cancel& cancel) override;
  void hidden_gradient(Model& model, const Batch& batch, const HiddenCall& call, const Cancel& cancel) override;
  void observe(Model& model, const Batch& batch, const std::vector<GradientObserver*>& observers, double* row_losses,
               const Cancel& cancel) override;
  void draw_labels(const at::Tensor& errors, int64_t vocabulary, int64_t first, const std::vector<double>& drawn) override;
  void tangents(Model& model, const Batch& batch, const std::function<void(TangentOps&)>& body) override;
  std::unique_ptr<Decoder> decoder(Model& model, const Batch& prompts, int64_t capacity) override;
  std::unique_ptr<lethe_ring> make_ring(Model& model, int64_t slots, int64_t slot_bytes) override;

  char* staging(size_t bytes) override;
  at::Tensor upload(size_t bytes) override;
  void add_rows(const at::Tensor& x, const TableGroups& groups, const at::Tensor& table) override;
  void table_scatter(const SparseRows& rows, const at::Tensor& u) override;
  void table_products(const SparseRows& rows, const at::Tensor& u, const at::Tensor& out) override;
  void pair_products(const PairProducts& job) override;
  at::Tensor row_dots(const at::Tensor& x, const at::Tensor& y) override;

  double dot(const at::Tensor& a, const at::Tensor& b, const std::vector<Segment>& over) override;
  void combine(const at::Tensor& y, double b, double a, const at::Tensor& x, const std::vector<Segment>& over) override;
  void add_square(const at::Tensor& y, double b, double a, const at::Tensor& x) override;
  void divide_root(const at::Tensor& y, const at::Tensor& v, double floor, const std::vector<Segment>& over) override;
  double adamw(Model& model, const AdamwStep& step, const std::vector<Segment>& over) override;

  // Whether passes of one shape in a row become recorded graphs; when recording one has failed, why.
  bool records() const { return records_; }
  const std::string& recording_failure() const { return failure_; }

 private:
  void begin(Model& model, const Batch& batch);
  // What a pass depends on besides the numbers in tables, parameters and gradient.
  struct PassKey {
    std::vector<int64_t> offsets, target_rows;
    struct Format {  // of the entries
      uint64_t fingerprint;
      int64_t dtype, top_k;
      bool operator==(const Format&) const = default;
    };
    std::optional<Format> capture;
    bool accumulate = false;
    const void *tables = nullptr, *results = nullptr;
    bool operator==(const PassKey&) const = default;
  };
  // A pass that captures into one of the two areas, or one that captures nothing.
  struct Recorded {
    const void *block = nullptr, *report = nullptr, *places = nullptr;  // of the area
    int64_t repeats = 0;                                                // in a row
    std::unique_ptr<Graph> graph;
  };
  // Runs a pass; from the third of one key in a row on as a recorded graph, where the device has them.
  void run_pass(PassKey key, Recorded& recorded, const std::function<void()>& pass);
  std::unique_ptr<Graph> record(const std::function<void()>& pass);
  void go_without_graphs(std::string reason);
  void forget_graphs();
  // Hidden states after the first `layers` blocks for another model's pass, which its stream may read from now on.
  at::Tensor hidden_states(Model& model, const Batch& batch, int64_t layers, const Cancel& cancel);
  void run_token_gradient(Model& model, const Batch& batch, const TokenCall& call, const Cancel& cancel);
  void run_observe(Model& model, const Batch& batch, const std::vector<GradientObserver*>& observers, double* row_losses,
                   const Cancel& cancel);
  void run_hidden_gradient(Model& model, const Batch& batch, const HiddenCall& call, const Cancel& cancel);
  void run_gradient(Model& model, const Batch& batch, const GradientCall& call, const Cancel& cancel);
  void run_evaluate(Model& model, const Batch& batch, const RowScores& scores, const Cancel& cancel);
  void copy_out(const EntriesOut& entries, StagingArea& area, const lethe_capture& capture);
  // Runs body; when memory runs out, gives back what is only kept and refuses with the plan of such a batch.
  template <class Body>
  void within_memory(const Model& model, const Batch& batch, Body&& body);
  [[noreturn]] void refuse_loss(Model& model, const Batch& batch, const double* losses, int64_t row, bool kept);

  kernels::FlatChunks chunks_of(const std::vector<Segment>& over);
  double* sums(int64_t count);  // fp64 scratch on the device
  // Copies that are done when they return, through pinned memory.
  void fetch(void* to, const void* from, size_t bytes);
  void start_fetch(const void* from, size_t bytes);  // other work may be submitted before finish_fetch, but no fetch
  void finish_fetch(void* to, size_t bytes);
  void send(void* to, const void* from, size_t bytes);

  const lethe_model_config config_;
  State state_;
  StagingArea areas_[2];  // taken in turn: one is filled while the other is copied out
  int64_t captures_ = 0;
  Slab sums_, results_;
  Pinned bounce_;
  struct Upward {
    Pinned memory;
    Event copied;
  } upward_[2];
  int upward_last_ = 0;
  std::vector<std::pair<std::vector<Segment>, at::Tensor>> chunks_;
  PassKey last_pass_;
  Recorded recorded_[2];  // of last_pass_, one an area
  bool records_;         // graphs are wanted, and recording one has not failed
  std::string failure_;  // of recording
};

}  // namespace lethe::device
