// SPDX-License-Identifier: GPL-2.0
/*
 * snp-verify: check an attestation report of the emulated platform.
 *
 *	snp-verify FILE		FILE holds the report, 1184 bytes, in hexadecimal
 *	snp-verify --chain [TCB]	print the certificates (PEM: VCEK, ASK, ARK)
 *	snp-verify --table [TCB]	the same as a table for extended guest requests
 *
 * Verifies the chain ARK, ASK, VCEK and the signature of the report, and prints what
 * the report says. Exit code 0 if all is good, 1 if not, 2 for bad usage.
 *
 * Layouts: SEV-SNP firmware ABI 56860, "ATTESTATION_REPORT Structure", and
 * "ECDSA P-384 with SHA-384 Signature Format"; the table: GHCB 56421, "SNP Extended
 * Guest Request".
 */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "attest.h"

#define REPORT_LEN	0x4a0
#define SIGNED_LEN	0x2a0
/* What a report has to say of its origin; Milan's default of the emulated firmware */
#define DEFAULT_TCB	0xce08000000000003ULL

static int die(const char *what)
{
	fprintf(stderr, "snp-verify: %s\n", what);
	return 1;
}

static uint64_t le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static void field(const char *name, const uint8_t *p, int len)
{
	printf("%-14s ", name);
	while (len--)
		printf("%02x", *p++);
	printf("\n");
}

#define NR_CERTS	3

/* VCEK, ASK, ARK; NULL for what is not there */
static void read_chain(const char *pem, X509 *cert[NR_CERTS])
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	int i;

	for (i = 0; i < NR_CERTS; i++)
		cert[i] = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
}

/* Each checks out with the next one, the last with itself. */
static X509 *verified_vcek(const char *pem)
{
	X509 *cert[NR_CERTS];
	int i, ok = 1;

	read_chain(pem, cert);
	for (i = 0; i < NR_CERTS; i++) {
		X509 *issuer = cert[i < 2 ? i + 1 : 2];

		ok = ok && cert[i] && issuer && X509_check_issued(issuer, cert[i]) == X509_V_OK &&
		     X509_verify(cert[i], X509_get0_pubkey(issuer)) == 1;
	}
	X509_free(cert[1]);
	X509_free(cert[2]);
	if (!ok) {
		X509_free(cert[0]);
		return NULL;
	}
	return cert[0];
}

/* Entries of GUID, offset and length, one of zeros, then the certificates in DER. */
static int write_table(const char *pem)
{
	static const uint8_t guid[NR_CERTS][16] = {
		"\x63\xda\x75\x8d\xe6\x64\x45\x64\xad\xc5\xf4\xb9\x3b\xe8\xac\xcd",
		"\x4a\xb7\xb3\x79\xbb\xac\x4f\xe4\xa0\x2f\x05\xae\xf3\x27\xc7\x82",
		"\xc0\xb4\x06\xa4\xa8\x03\x49\x52\x97\x43\x3f\xb6\x01\x4c\xd0\xae",
	};
	struct {
		uint8_t guid[16];
		uint32_t offset, length;
	} entry[NR_CERTS + 1] = { 0 };
	uint8_t *der[NR_CERTS] = { NULL };
	uint32_t offset = sizeof(entry);
	X509 *cert[NR_CERTS];
	int i, len;

	read_chain(pem, cert);
	for (i = 0; i < NR_CERTS; i++) {
		len = cert[i] ? i2d_X509(cert[i], &der[i]) : 0;
		if (len <= 0)
			return die("libcrypto cannot write a certificate");
		memcpy(entry[i].guid, guid[i], sizeof(guid[i]));
		entry[i].offset = htole32(offset);
		entry[i].length = htole32(len);
		offset += len;
	}
	fwrite(entry, sizeof(entry), 1, stdout);
	for (i = 0; i < NR_CERTS; i++) {
		fwrite(der[i], le32toh(entry[i].length), 1, stdout);
		OPENSSL_free(der[i]);
		X509_free(cert[i]);
	}
	return fflush(stdout) ? die("cannot write the table") : 0;
}

static int signature_ok(EVP_PKEY *key, const uint8_t *report)
{
	const uint8_t *sig = report + SIGNED_LEN;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ECDSA_SIG *rs = ECDSA_SIG_new();
	uint8_t *der = NULL;
	int len, ok;

	ECDSA_SIG_set0(rs, BN_lebin2bn(sig, 72, NULL), BN_lebin2bn(sig + 72, 72, NULL));
	len = i2d_ECDSA_SIG(rs, &der);
	ok = len > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
	     EVP_DigestVerify(ctx, der, len, report, SIGNED_LEN) == 1;
	OPENSSL_free(der);
	ECDSA_SIG_free(rs);
	EVP_MD_CTX_free(ctx);
	return ok;
}

static int read_report(const char *path, uint8_t *report)
{
	FILE *f = fopen(path, "r");
	unsigned int byte;
	int n = 0;

	if (!f) {
		perror(path);
		return 0;
	}
	while (n < REPORT_LEN && fscanf(f, "%2x", &byte) == 1)
		report[n++] = byte;
	fclose(f);
	if (n != REPORT_LEN)
		fprintf(stderr, "snp-verify: %s: %d bytes in hexadecimal, want %d\n", path, n,
			REPORT_LEN);
	return n == REPORT_LEN;
}

static int verify(const char *path)
{
	uint8_t report[REPORT_LEN];
	char *pem;
	X509 *vcek;
	int ok;

	if (!read_report(path, report))
		return 1;
	pem = snp_cert_chain(le(report + 0x180, 8));
	vcek = pem ? verified_vcek(pem) : NULL;
	free(pem);
	if (!vcek)
		return die("the certificates do not verify");
	ok = signature_ok(X509_get0_pubkey(vcek), report);

	X509_NAME_print_ex_fp(stdout, X509_get_subject_name(vcek), 0, XN_FLAG_ONELINE);
	printf("\nversion %d, VMPL %d, policy 0x%llx, signature %s\n", (int)le(report, 4),
	       (int)le(report + 0x30, 4), (unsigned long long)le(report + 8, 8),
	       ok ? "good" : "BAD");
	printf("chip           %.64s\n", report + 0x1a0);
	field("measurement", report + 0x90, 48);
	field("host data", report + 0xc0, 32);
	field("ID key digest", report + 0xe0, 48);
	X509_free(vcek);
	return ok ? 0 : die("the signature is not that of this report");
}

int main(int argc, char **argv)
{
	int table = argc > 1 && !strcmp(argv[1], "--table"), ret = 0;
	char *pem;

	if (argc >= 2 && argc <= 3 && (table || !strcmp(argv[1], "--chain"))) {
		pem = snp_cert_chain(argc == 3 ? strtoull(argv[2], NULL, 0) : DEFAULT_TCB);
		if (!pem)
			return die("libcrypto cannot make the certificates");
		if (table)
			ret = write_table(pem);
		else
			fputs(pem, stdout);
		free(pem);
		return ret;
	}
	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: snp-verify FILE | snp-verify --chain [TCB] | --table [TCB]\n");
		return 2;
	}
	return verify(argv[1]);
}
