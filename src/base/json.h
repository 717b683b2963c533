// JSON values in full: costs a second to compile, so that headers name them through json_reader.h.
#pragma once
#include <nlohmann/json.hpp>

#include "base/json_reader.h"
