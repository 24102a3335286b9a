// Generation with its cache against repeated whole forward passes; sampling that batch mates do not disturb; the ways a
// record ends.
#include <algorithm>

#include "check.h"

using namespace test;

namespace {

using Continuations = std::vector<std::vector<int32_t>>;

lethe_generation options(int64_t max_new_tokens, int64_t top_k) {
  auto o = sized<lethe_generation>();
  o.max_new_tokens = max_new_tokens;
  o.top_k = top_k;
  o.temperature = 1;
  o.stop_token = -1;
  return o;
}

Continuations generate(lethe_model* model, const Ragged& prompts, const lethe_generation& o) {
  const lethe_batch view = prompts.view();
  std::vector<int32_t> tokens(prompts.records() * static_cast<size_t>(o.max_new_tokens));
  std::vector<int64_t> lengths(prompts.records());
  CHECK_OK(lethe_model_generate(model, &view, &o, tokens.data(), lengths.data(), nullptr, err));
  Continuations result;
  for (size_t b = 0; b < prompts.records(); ++b) {
    const auto begin = tokens.begin() + static_cast<int64_t>(b) * o.max_new_tokens;
    result.emplace_back(begin, begin + lengths[b]);
  }
  return result;
}

std::vector<int32_t> greedy_reference(lethe_model* model, std::vector<int32_t> tokens, int64_t context, int64_t most) {
  std::vector<int32_t> result;
  while (static_cast<int64_t>(tokens.size()) < context && static_cast<int64_t>(result.size()) < most) {
    Ragged one;
    one.add(tokens, std::vector<int32_t>(tokens.size(), LETHE_IGNORE_TARGET), 1);
    const lethe_batch view = one.view();
    std::vector<double> logits(tokens.size() * 23);
    CHECK_OK(lethe_model_logits(model, &view, logits.data(), static_cast<int64_t>(logits.size() * 8), err));
    const auto last = logits.end() - 23;
    tokens.push_back(static_cast<int32_t>(std::max_element(last, logits.end()) - last));
    result.push_back(tokens.back());
  }
  return result;
}

Ragged alone(const Ragged& batch, size_t index) {
  Ragged one;
  one.add(batch, index);
  return one;
}

}  // namespace

int main() {
  {
    const ModelHandle model = random_model(tiny_config(LETHE_F64, true), 5);
    const Ragged prompts = random_batch({3, 1, 9, 5, 3}, 23, 11);
    const Continuations greedy = generate(model.get(), prompts, options(5, 1));
    for (size_t b = 0; b < prompts.records(); ++b) {
      const std::vector<int32_t> prompt(prompts.tokens.begin() + prompts.offsets[b],
                                        prompts.tokens.begin() + prompts.offsets[b + 1]);
      CHECK(greedy[b] == greedy_reference(model.get(), prompt, 9, 5));
    }
    CHECK(greedy[2].empty());  // a prompt as long as the context has no room

    lethe_generation cold = options(5, 0);
    cold.temperature = 1e-4;
    CHECK(generate(model.get(), prompts, cold) == greedy);

    for (const int64_t top_k : {0, 4}) {
      lethe_generation o = options(5, top_k);
      o.seed = 17;
      const Continuations sampled = generate(model.get(), prompts, o);
      for (size_t b = 0; b < prompts.records(); ++b)
        CHECK(generate(model.get(), alone(prompts, b), o)[0] == sampled[b]);
      o.seed = 18;
      CHECK(generate(model.get(), prompts, o) != sampled);
    }

    // The stop token ends a record and is not returned.
    lethe_generation stopped = options(5, 1);
    stopped.stop_token = greedy[0][2];
    const auto first = std::find(greedy[0].begin(), greedy[0].end(), stopped.stop_token);
    CHECK(generate(model.get(), prompts, stopped)[0] == std::vector<int32_t>(greedy[0].begin(), first));

    // A model of zeros is uniform: top-k keeps the first k tokens, and all of them come up.
    const ModelHandle zeros = make_model(tiny_config(LETHE_F32, true));
    std::vector<int> seen(23);
    for (uint64_t seed = 0; seed < 200; ++seed) {
      lethe_generation o = options(1, 3);
      o.seed = seed;
      ++seen[static_cast<size_t>(generate(zeros.get(), alone(prompts, 1), o)[0][0])];
    }
    CHECK(seen[0] > 40 && seen[1] > 40 && seen[2] > 40 && seen[0] + seen[1] + seen[2] == 200);
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
