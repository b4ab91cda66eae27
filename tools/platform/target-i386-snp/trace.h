#include "trace/trace-target_i386_snp.h"
