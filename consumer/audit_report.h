/*
 * audit_report.h: findings as lines for a terminal, as one line of JSON, or as a report for people.
 */
#ifndef UPSHOT_CONSUMER_AUDIT_REPORT_H
#define UPSHOT_CONSUMER_AUDIT_REPORT_H

#include "consumer/audit.h"

#include <stdio.h>

void audit_report_text(FILE *out, const struct audit_findings *findings,
                       const struct audit_options *options);
void audit_report_json(FILE *out, const struct audit_findings *findings,
                       const struct audit_options *options);
void audit_report_markdown(FILE *out, const struct audit_findings *findings,
                           const struct audit_options *options);

#endif
