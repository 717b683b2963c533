// What tests of the command line share: a command that must be refused, and files that must stay as they are.
#pragma once
#include "assay_program.h"

namespace assay {

/// Exit 2, one line on stderr with every one of the parts, nothing on stdout.
inline void expect_refused(const Home& home, const Arguments& arguments, const std::vector<std::string>& parts) {
  const Ended ended = home.run(arguments);
  std::string command;
  for (const std::string& argument : arguments) command += argument + " ";
  SCOPED_TRACE(command);
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(ended.err.rfind("assay: ", 0), 0u) << ended.err;
  EXPECT_EQ(count_of(ended.err, "\n"), 1u) << ended.err;
  for (const std::string& part : parts) EXPECT_TRUE(has(ended.err, part)) << part << "\nis not in\n" << ended.err;
}

/// Runs a line of the shell in the home, with $ASSAY for the program; stderr, and stdout where the line does not
/// redirect it.
inline Ended run_in_shell(const Home& home, const std::string& line) {
  Variables variables = home.variables;
  variables["PROGRAM"] = ASSAY_PROGRAM;
  const Arguments shell{"/bin/bash", "-c", "cd \"$HOME\" && ASSAY=$PROGRAM; " + line};
  return Running(shell, variables, home.folder / "shell").wait();
}

}  // namespace assay
