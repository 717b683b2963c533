// What a store keeps as texts by key.
#include "store/kept.h"

#include <set>

#include "base/standard_streams.h"
#include "base/terminal.h"

namespace assay {

void remark_unreadable(const Store& store, const std::string& key, const char* why) {
  static std::set<std::string> said;  // by the thread that has the store
  if (said.insert(store.file().string() + "\n" + key).second)
    remark("assay: {}: the store is damaged ({}); what cannot be read is left out, or measured again\n",
           one_line(store.file().string()), one_line(why));
}

}  // namespace assay
