// Which processes descend from which, as /proc knows it, and ending those that descend from this one.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace assay {

/// Children of all its threads, zombies included. Empty if there is no such process.
std::vector<pid_t> children_of(pid_t pid);

/// All living processes that descend from it, itself not among them.
std::vector<pid_t> descendants_of(pid_t pid);

/// When it was started, in clock ticks since the machine was; 0 if no such process lives. With its pid this names it
/// for good.
int64_t start_ticks(pid_t pid);

/// Its command line, at most 200 characters of it, or its name in brackets; "" if there is no such process.
std::string command_of(pid_t pid);

/// Kills and reaps whatever descends from this process, wherever it went, until nothing does; this process must be a
/// subreaper. `kept` is a child that has ended and stays a zombie, so that its pid names nobody else. False if
/// something still lives after limit_s.
bool end_descendants(pid_t kept, double limit_s);

}  // namespace assay
