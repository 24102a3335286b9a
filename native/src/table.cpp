// Lists the tables a call touches and the rows of their factors.
#include "table.h"

namespace lethe {

std::vector<Table> chosen_tables(const EntrySet& set) {
  const Layout& layout = set.layout();
  const Shape& shape = layout.shape();
  const int64_t wte = Layout::embedding_site(), wpe = layout.positions(), head = layout.head_site();
  Table tokens{layout.weight_of(wte), shape.vocabulary};
  if (set.chosen(wte)) tokens.scatter = wte;
  Table output{layout.weight_of(head), shape.vocabulary};
  if (set.chosen(head)) (shape.tied ? tokens : output).head = head;
  std::vector<Table> tables;
  if (tokens.scatter >= 0 || tokens.head >= 0) tables.push_back(tokens);
  if (set.chosen(wpe)) tables.push_back({layout.weight_of(wpe), shape.context, wpe, -1});
  if (output.head >= 0) tables.push_back(output);
  return tables;
}

std::vector<TableRow> table_rows(const Table& table, const EntrySet& set, const EntryBlock& block) {
  std::vector<TableRow> rows;
  const EntryFormat& format = set.format();
  const auto element = static_cast<size_t>(format.element_bytes());
  const auto row_of = [](const StoredMatrix& m, int64_t row, size_t bytes) -> const void* {
    return static_cast<const char*>(m.data) + static_cast<size_t>(row * m.columns) * bytes;
  };
  for (int64_t i = block.begin; i < block.end; ++i) {
    const EntryView& view = set.entry(i);
    if (table.scatter >= 0) {
      const StoredMatrix d = set.matrix(i, table.scatter, Factor::kFirst);
      const bool by_position = table.scatter == set.layout().positions();
      for (int64_t t = 0; t < d.rows; ++t)
        rows.push_back({i, by_position ? t : view.ids()[t], row_of(d, t, element), nullptr, nullptr});
    }
    if (table.head < 0) continue;
    const StoredMatrix h = set.matrix(i, table.head, Factor::kFirst), e = set.matrix(i, table.head, Factor::kSecond);
    const StoredMatrix index{view.index(table.head), e.rows, e.columns};
    for (int64_t t = 0; t < h.rows; ++t) {
      const void* at = set.exact_head() ? nullptr : row_of(index, t, static_cast<size_t>(format.index_bytes()));
      rows.push_back({i, -1, row_of(h, t, element), at, row_of(e, t, element)});
    }
  }
  return rows;
}

}  // namespace lethe
