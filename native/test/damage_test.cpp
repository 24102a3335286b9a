// Entries that are cut, flipped or lie about themselves are refused and never read past their end: every entry sits
// right before a page that may not be touched. Headers are also re-sealed after the flip, so that the checks behind the
// checksum are met as well.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "captured.h"
#include "entry.h"
#include "topk.h"

using namespace test;

namespace {

// Memory whose last byte is followed by a page without access.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    length_ = (bytes + page_ - 1) / page_ * page_ + page_;
    base_ = static_cast<char*>(mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + length_ - page_, page_, PROT_NONE);
  }
  ~Guarded() { munmap(base_, length_); }
  Guarded(const Guarded&) = delete;
  char* last(size_t bytes) const { return base_ + length_ - page_ - bytes; }

 private:
  size_t page_, length_;
  char* base_;
};

struct Tally {
  int64_t refused = 0, accepted = 0;
};

// What any of the readers may answer about bytes of unknown origin.
void read_everything(lethe_model* model, const Captured& captured, const void* data, int64_t bytes, Tally& tally) {
  auto info = sized<lethe_entry_info>();
  const lethe_status described = lethe_entry_describe(data, bytes, &info, nullptr);
  CHECK(described == LETHE_OK || described == LETHE_DAMAGED);
  if (described == LETHE_OK) {
    std::vector<int32_t> tokens(static_cast<size_t>(info.tokens)), targets(tokens.size());
    CHECK_OK(lethe_entry_tokens(data, bytes, tokens.data(), targets.data(), info.tokens, err));
  }
  lethe_entries entries = captured.view(0, 1);
  entries.data = &data;
  entries.bytes = &bytes;
  double product = 0;
  lethe_error error = no_error();
  const lethe_status status = lethe_entries_gram(model, &entries, nullptr, 1 << 20, &product, nullptr, &error);
  CHECK(status == LETHE_OK || status == LETHE_DAMAGED || status == LETHE_INVALID_ARGUMENT);
  CHECK(status == LETHE_OK || std::strstr(error.message, "entry 0") != nullptr);
  ++(status == LETHE_OK ? tally.accepted : tally.refused);
}

void mutations(int64_t top_k, int32_t stored) {
  const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 3);
  const Ragged batch = random_batch({7}, 23, 5);
  const Captured captured = capture(model.get(), batch, all_sites(model.get()), top_k, stored);
  const auto bytes = static_cast<size_t>(captured.bytes[0]);
  const Guarded guarded(bytes);
  const size_t end_of_ids = sizeof(lethe::EntryHeader) + 2 * 64;
  Random random(17);
  Tally tally;
  for (int trial = 0; trial < 3000; ++trial) {
    // Kept 64-byte aligned by cutting whole lines; odd lengths lie to the reader instead.
    const size_t length = trial % 3 == 0 ? bytes - 64 * static_cast<size_t>(random.below(static_cast<int32_t>(bytes / 64))) : bytes;
    char* data = guarded.last(length);
    std::memcpy(data, captured.data[0], length);
    const int flips = trial % 3 == 0 ? 0 : 1 + random.below(3);
    for (int i = 0; i < flips; ++i) {
      const auto limit = trial % 5 == 0 ? length : end_of_ids;
      data[random.below(static_cast<int32_t>(limit))] ^= static_cast<char>(1 << random.below(8));
    }
    if (trial % 2 == 0 && length >= sizeof(lethe::EntryHeader)) {
      lethe::EntryHeader header;
      std::memcpy(&header, data, sizeof header);
      header.checksum = lethe::header_checksum(header);
      std::memcpy(data, &header, sizeof header);
    }
    const int64_t claimed = trial % 7 == 0 ? random.below(static_cast<int32_t>(length) + 1) : static_cast<int64_t>(length);
    read_everything(model.get(), captured, data, claimed, tally);
  }
  CHECK(tally.refused > 1500);
  CHECK(tally.accepted > 50);  // flips in the factors themselves are the ledger's checksum's business
}

// A changed header field that the checksum vouches for is refused by the check behind it.
void lying_headers() {
  const ModelHandle model = random_model(tiny_config(LETHE_F32, true), 3);
  const Ragged batch = random_batch({7}, 23, 5);
  const Captured captured = capture(model.get(), batch, all_sites(model.get()), 4, LETHE_F32);
  lethe::EntryHeader original;
  std::memcpy(&original, captured.data[0], sizeof original);
  const auto refused = [&](auto&& change, lethe_status status, const char* text) {
    lethe::EntryHeader header = original;
    change(header);
    header.checksum = lethe::header_checksum(header);
    std::memcpy(captured.blocks[0].get(), &header, sizeof header);
    const lethe_entries entries = captured.view();
    double out = 0;
    CHECK_REFUSED(lethe_entries_gram(model.get(), &entries, nullptr, 1 << 20, &out, nullptr, err), status, text);
  };
  refused([](auto& h) { h.version = 2; }, LETHE_DAMAGED, "format version 2");
  refused([](auto& h) { h.magic[0] = 'X'; }, LETHE_DAMAGED, "does not begin with LETHEGRD");
  refused([](auto& h) { h.tokens = int64_t{1} << 40; }, LETHE_DAMAGED, "tokens");
  refused([](auto& h) { h.tokens = 8; }, LETHE_DAMAGED, "where its shape takes");
  refused([](auto& h) { h.targets = 8; }, LETHE_DAMAGED, "targets of 7 tokens");
  refused([](auto& h) { h.total_bytes += 64; }, LETHE_DAMAGED, "is cut short");
  refused([](auto& h) { h.total_bytes = -64; }, LETHE_DAMAGED, "claims a size");
  refused([](auto& h) { h.dropped_share = NAN; }, LETHE_DAMAGED, "dropped share");
  refused([](auto& h) { h.dtype = 7; }, LETHE_DAMAGED, "dtype 7");
  refused([](auto& h) { h.dtype = LETHE_BF16; }, LETHE_INVALID_ARGUMENT, "the format says 0");
  refused([](auto& h) { h.fingerprint ^= 1; }, LETHE_INVALID_ARGUMENT, "another model shape");
  refused([](auto& h) { h.head_top_k = 5; }, LETHE_INVALID_ARGUMENT, "head top-k 5");
}

// Entries of earlier versions, whose fingerprint told neither heads nor epsilon, are read on; today's are not taken for
// those of a model with other heads, which has the same tensors.
void fingerprints() {
  lethe_model_config config = tiny_config(LETHE_F32, true);
  const ModelHandle model = random_model(config, 3);
  config.heads = 4;
  const ModelHandle other = random_model(config, 3);
  const Captured captured = capture(model.get(), random_batch({7}, 23, 5), all_sites(model.get()), 0, LETHE_F32);
  const lethe_entries entries = captured.view();
  double today = 0, earlier = 0;
  CHECK_OK(lethe_entries_gram(model.get(), &entries, nullptr, 1 << 20, &today, nullptr, err));
  CHECK_REFUSED(lethe_entries_gram(other.get(), &entries, nullptr, 1 << 20, &earlier, nullptr, err),
                LETHE_INVALID_ARGUMENT, "another model shape");
  lethe::EntryHeader header;
  std::memcpy(&header, captured.data[0], sizeof header);
  CHECK(header.fingerprint != 0xecb96c96e22129ac);
  header.fingerprint = 0xecb96c96e22129ac;  // what the version before wrote for this configuration
  header.checksum = lethe::header_checksum(header);
  std::memcpy(captured.blocks[0].get(), &header, sizeof header);
  for (lethe_model* reader : {model.get(), other.get()}) {
    CHECK_OK(lethe_entries_gram(reader, &entries, nullptr, 1 << 20, &earlier, nullptr, err));
    CHECK(earlier == today);
  }
}

// Every row's selection is a full sort's, also where values tie, and long enough for the threshold guess.
void selection() {
  Random random(5);
  for (const int64_t columns : {1, 2, 31, 33, 2047, 5000, 9001}) {
    for (int64_t k : {int64_t{1}, int64_t{2}, columns / 50, columns / 2, columns - 1, columns}) {
      if (k < 1 || k > columns) continue;
      for (int kind = 0; kind < 4; ++kind) {
        std::vector<float> row(static_cast<size_t>(columns));
        for (float& value : row) {
          const double u = random.uniform();
          value = static_cast<float>(kind == 0 ? u : kind == 1 ? u * u * u * u * u : kind == 2 ? std::round(u * 3) : 0.5);
        }
        const int32_t target = random.below(static_cast<int32_t>(columns));
        lethe::TopK<float> top;
        top.select(row.data(), columns, k, target);
        std::vector<int32_t> order(static_cast<size_t>(columns));
        for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
          return std::abs(row[static_cast<size_t>(a)]) > std::abs(row[static_cast<size_t>(b)]);
        });
        order.resize(static_cast<size_t>(k));
        if (std::find(order.begin(), order.end(), target) == order.end()) order.back() = target;
        std::sort(order.begin(), order.end());
        CHECK(order == top.indices);
      }
    }
  }
}

}  // namespace

int main() {
  CHECK_OK(lethe_set_threads(1, err));  // small loops: a second thread would only be waited for
  mutations(0, LETHE_F32);
  mutations(4, LETHE_F32);
  mutations(4, LETHE_BF16);
  lying_headers();
  fingerprints();
  selection();
  CHECK(lethe_live_handles() == 0);
  return finish();
}
