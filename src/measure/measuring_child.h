// A measurement in a process of its own: what it opens, allocates and breaks is gone with it.
#pragma once
#include <functional>
#include <string>

namespace assay {

/// What `work` returns in a forked child. Error, beginning with `what` ("measuring …"), if it throws, dies, takes
/// longer than limit_s or is interrupted.
std::string text_of_child(const std::string& what, double limit_s, const std::function<std::string()>& work);

}  // namespace assay
