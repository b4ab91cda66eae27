# SPDX-License-Identifier: GPL-2.0-or-later
#
# The devices of the QEMU that starts an SNP guest: the board, and SEV.
CONFIG_Q35=y
CONFIG_SEV=y
