// Generation with its cache against repeated whole forward passes; sampling that batch mates do not disturb; the ways a
// record ends.
#include <algorithm>
#include <cmath>

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

// Draws from a vocabulary of several blocks come up as often as the softmax of the logits says: summed up to every id, draws
// and probabilities differ by less than 1.95 / sqrt(n) (Kolmogorov and Smirnov, p = 0.001).
void as_often_as_said(int32_t dtype) {
  constexpr size_t kVocabulary = 700, kDraws = 4000;
  lethe_model_config config = tiny_config(dtype, false);
  config.vocabulary = kVocabulary;
  const ModelHandle model = random_model(config, 5);
  const Ragged prompt = random_batch({3}, kVocabulary, 11);
  const lethe_batch view = prompt.view();
  std::vector<double> logits(3 * kVocabulary);
  std::vector<float> narrow(3 * kVocabulary);
  if (dtype == LETHE_F64) {
    CHECK_OK(lethe_model_logits(model.get(), &view, logits.data(), static_cast<int64_t>(logits.size() * 8), err));
  } else {
    CHECK_OK(lethe_model_logits(model.get(), &view, narrow.data(), static_cast<int64_t>(narrow.size() * 4), err));
    logits.assign(narrow.begin(), narrow.end());
  }
  Ragged twins;
  std::vector<uint64_t> seeds(kDraws);
  for (size_t i = 0; i < kDraws; ++i) twins.add(prompt, 0), seeds[i] = i;
  lethe_generation o = options(1, 0);
  o.seeds = seeds.data();
  o.temperature = 0.7;
  std::vector<double> drawn(kVocabulary), wanted(kVocabulary);
  for (const auto& one : generate(model.get(), twins, o)) drawn[static_cast<size_t>(one[0])] += 1.0 / kDraws;
  double total = 0, apart = 0, sum = 0;
  for (size_t j = 0; j < kVocabulary; ++j) total += wanted[j] = std::exp(logits[2 * kVocabulary + j] / o.temperature);
  for (size_t j = 0; j < kVocabulary; ++j) apart = std::max(apart, std::abs(sum += drawn[j] - wanted[j] / total));
  CHECK(apart < 1.95 / std::sqrt(kDraws));
}

}  // namespace

int main() {
  as_often_as_said(LETHE_F64);
  as_often_as_said(LETHE_F32);
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
      std::vector<uint64_t> seeds(prompts.records(), 17);
      o.seeds = seeds.data();
      const Continuations sampled = generate(model.get(), prompts, o);
      for (size_t b = 0; b < prompts.records(); ++b)
        CHECK(generate(model.get(), alone(prompts, b), o)[0] == sampled[b]);
      seeds.assign(prompts.records(), 18);
      CHECK(generate(model.get(), prompts, o) != sampled);
    }

    // A seed for each record: several draws of one prompt in one call are those of one call each.
    Ragged twins;
    std::vector<uint64_t> counted(8);
    for (size_t i = 0; i < counted.size(); ++i) twins.add(prompts, 0), counted[i] = i;
    lethe_generation each = options(5, 0);
    each.seeds = counted.data();
    const Continuations drawn = generate(model.get(), twins, each);
    for (size_t i = 0; i < counted.size(); ++i) {
      each.seeds = &counted[i];
      CHECK(generate(model.get(), alone(prompts, 0), each)[0] == drawn[i]);
    }
    CHECK(std::any_of(drawn.begin(), drawn.end(), [&](const auto& one) { return one != drawn[0]; }));

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
      o.seeds = &seed;
      ++seen[static_cast<size_t>(generate(zeros.get(), alone(prompts, 1), o)[0][0])];
    }
    CHECK(seen[0] > 40 && seen[1] > 40 && seen[2] > 40 && seen[0] + seen[1] + seen[2] == 200);
  }
  CHECK(lethe_live_handles() == 0);
  return finish();
}
