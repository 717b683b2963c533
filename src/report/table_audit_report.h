// The judgement on a printed table of operations, for people and programs.
#pragma once
#include <string>

#include "opbench/table_audit.h"

namespace assay {

std::string table_audit_text(const TableAudit& audit, size_t width, bool colour);
std::string table_audit_markdown(const TableAudit& audit);
std::string table_audit_csv(const TableAudit& audit);
std::string table_audit_json(const TableAudit& audit);

}  // namespace assay
