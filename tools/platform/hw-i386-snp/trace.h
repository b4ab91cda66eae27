#include "trace/trace-hw_i386_snp.h"
