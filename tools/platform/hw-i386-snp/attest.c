/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP firmware: cryptography.  See attest.h.
 *
 * Sources: SEV-SNP firmware ABI 56860, chapters "Guest Messages",
 * "Attestation" and the appendix of digital signatures; VCEK Certificate and
 * KDS Interface Specification 57230 (names and extensions of the
 * certificates).
 *
 * QEMU's osdep.h is left out on purpose.
 */
#include <stdlib.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "attest.h"

#define WORTHLESS   "EMULATED - WORTHLESS"

/* The whole secret of this platform.  It is none. */
static const char root_text[] =
    "emulated SNP platform: nothing that this key signs proves anything";

const uint8_t snp_chip_id[SNP_CHIP_ID_LEN] =
    "EMULATED SNP PLATFORM. THIS REPORT IS WORTHLESS.";

/* --- guest messages -------------------------------------------------- */

static bool gcm(const uint8_t *key, const uint8_t *iv, const void *aad,
                size_t aad_len, const void *in, size_t len, void *out,
                uint8_t *tag, bool seal)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t none[16];
    int n;
    bool ok;

    ok = ctx &&
         EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv, seal) == 1 &&
         EVP_CipherUpdate(ctx, NULL, &n, aad, aad_len) == 1 &&
         EVP_CipherUpdate(ctx, out, &n, in, len) == 1 &&
         (seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG,
                                      SNP_GCM_TAG_LEN, tag) == 1) &&
         EVP_CipherFinal_ex(ctx, none, &n) == 1 &&
         (!seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG,
                                       SNP_GCM_TAG_LEN, tag) == 1);
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        memset(out, 0, len);
    }
    return ok;
}

bool snp_gcm_seal(const uint8_t key[SNP_GCM_KEY_LEN],
                  const uint8_t iv[SNP_GCM_IV_LEN],
                  const void *aad, size_t aad_len, const void *in, size_t len,
                  void *out, uint8_t tag[SNP_GCM_TAG_LEN])
{
    return gcm(key, iv, aad, aad_len, in, len, out, tag, true);
}

bool snp_gcm_open(const uint8_t key[SNP_GCM_KEY_LEN],
                  const uint8_t iv[SNP_GCM_IV_LEN],
                  const void *aad, size_t aad_len, const void *in, size_t len,
                  void *out, const uint8_t tag[SNP_GCM_TAG_LEN])
{
    uint8_t t[SNP_GCM_TAG_LEN];

    memcpy(t, tag, sizeof(t));
    return gcm(key, iv, aad, aad_len, in, len, out, t, false);
}

/* --- keys ------------------------------------------------------------ */

bool snp_derive_key(const void *mix, size_t len, uint8_t key[32])
{
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned int n;

    if (!HMAC(EVP_sha384(), root_text, sizeof(root_text), mix, len, out, &n)) {
        return false;
    }
    memcpy(key, out, 32);
    return true;
}

static EVP_PKEY *p384_key(const EC_POINT *pub, const EC_GROUP *group,
                          const BIGNUM *priv)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    uint8_t *point = NULL;
    size_t len = EC_POINT_point2buf(group, pub, POINT_CONVERSION_UNCOMPRESSED,
                                    &point, NULL);

    if (bld && ctx && len &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                        SN_secp384r1, 0) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         len) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, priv)) {
        params = OSSL_PARAM_BLD_to_param(bld);
    }
    if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1) {
        pkey = NULL;
    }
    OPENSSL_free(point);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* The key of a name, and of a TCB where it has one. */
static EVP_PKEY *named_key(const char *name, uint64_t tcb)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    EC_POINT *pub = group ? EC_POINT_new(group) : NULL;
    BIGNUM *priv = NULL, *n = BN_new();
    BN_CTX *bn = BN_CTX_new();
    EVP_PKEY *pkey = NULL;
    uint8_t mac[EVP_MAX_MD_SIZE], mix[40] = { 0 };
    unsigned int len;
    int i;

    strncpy((char *)mix, name, 31);
    for (i = 0; i < 8; i++) {
        mix[32 + i] = tcb >> (8 * i);
    }
    if (group && pub && n && bn &&
        HMAC(EVP_sha384(), root_text, sizeof(root_text), mix, sizeof(mix), mac,
             &len)) {
        priv = BN_bin2bn(mac, len, NULL);
    }
    if (priv && EC_GROUP_get_order(group, n, bn) && BN_sub_word(n, 1) &&
        BN_nnmod(priv, priv, n, bn) && BN_add_word(priv, 1) &&
        EC_POINT_mul(group, pub, priv, NULL, NULL, bn)) {
        pkey = p384_key(pub, group, priv);
    }
    BN_free(priv);
    BN_free(n);
    BN_CTX_free(bn);
    EC_POINT_free(pub);
    EC_GROUP_free(group);
    return pkey;
}

/* --- signatures ------------------------------------------------------ */

#define COMPONENT_LEN   72

bool snp_vcek_sign(uint64_t tcb, const void *data, size_t len,
                   uint8_t sig[SNP_SIG_LEN])
{
    EVP_PKEY *key = named_key("VCEK", tcb);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *rs = NULL;
    uint8_t der[256];
    const uint8_t *p = der;
    size_t n = sizeof(der);

    memset(sig, 0, SNP_SIG_LEN);
    if (key && ctx &&
        EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
        EVP_DigestSign(ctx, der, &n, data, len) == 1) {
        rs = d2i_ECDSA_SIG(NULL, &p, n);
    }
    if (rs) {
        BN_bn2lebinpad(ECDSA_SIG_get0_r(rs), sig, COMPONENT_LEN);
        BN_bn2lebinpad(ECDSA_SIG_get0_s(rs), sig + COMPONENT_LEN,
                       COMPONENT_LEN);
    }
    ECDSA_SIG_free(rs);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return rs != NULL;
}

/* --- certificates ---------------------------------------------------- */

static bool add_ext(X509 *cert, X509V3_CTX *v3, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, v3, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);

    X509_EXTENSION_free(ext);
    return ok;
}

/* One of AMD's extensions: an octet string that holds @len bytes of DER. */
static bool add_amd_ext(X509 *cert, const char *oid, const uint8_t *der,
                        int len)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    bool ok;

    if (obj && data && ASN1_OCTET_STRING_set(data, der, len)) {
        ext = X509_EXTENSION_create_by_OBJ(NULL, obj, 0, data);
    }
    ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(data);
    ASN1_OBJECT_free(obj);
    return ok;
}

static bool add_spl(X509 *cert, int nr, uint8_t svn)
{
    char oid[40] = "1.3.6.1.4.1.3704.1.3.0";
    /* INTEGER; above 127 it needs a leading zero */
    uint8_t der[4] = { 2, 1, svn }, big[4] = { 2, 2, 0, svn };

    oid[strlen(oid) - 1] = '0' + nr;
    return svn < 0x80 ? add_amd_ext(cert, oid, der, 3) :
                        add_amd_ext(cert, oid, big, 4);
}

static bool set_name(X509_NAME *name, const char *cn)
{
    static const struct { const char *field, *value; } common[] = {
        { "OU", "Emulated SNP platform" },
        { "O", WORTHLESS },
    };
    char text[64];
    size_t i;

    for (i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        if (!X509_NAME_add_entry_by_txt(name, common[i].field, MBSTRING_ASC,
                (const uint8_t *)common[i].value, -1, -1, 0)) {
            return false;
        }
    }
    strcpy(text, cn);
    strcat(text, " (" WORTHLESS ")");
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const uint8_t *)text, -1, -1, 0);
}

static bool add_cert(BIO *out, const char *cn, const char *issuer,
                     EVP_PKEY *key, EVP_PKEY *signer, bool ca, uint64_t tcb)
{
    X509 *cert = X509_new();
    X509V3_CTX v3;
    bool ok;

    ok = cert && X509_set_version(cert, X509_VERSION_3) &&
         ASN1_INTEGER_set(X509_get_serialNumber(cert), ca ? 1 : 0) &&
         ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z") &&
         ASN1_TIME_set_string(X509_getm_notAfter(cert), "20991231235959Z") &&
         set_name(X509_get_subject_name(cert), cn) &&
         set_name(X509_get_issuer_name(cert), issuer) &&
         X509_set_pubkey(cert, key);
    X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
    if (ok && ca) {
        ok = add_ext(cert, &v3, NID_basic_constraints, "critical,CA:TRUE") &&
             add_ext(cert, &v3, NID_key_usage, "critical,keyCertSign");
    } else if (ok) {
        /* SPLs: boot loader 1, TEE 2, SNP 3, microcode 8; hwID */
        ok = add_spl(cert, 1, tcb) && add_spl(cert, 2, tcb >> 8) &&
             add_spl(cert, 3, tcb >> 48) && add_spl(cert, 8, tcb >> 56) &&
             add_amd_ext(cert, "1.3.6.1.4.1.3704.1.4", snp_chip_id,
                         sizeof(snp_chip_id));
    }
    ok = ok && X509_sign(cert, signer, EVP_sha384()) &&
         PEM_write_bio_X509(out, cert);
    X509_free(cert);
    return ok;
}

char *snp_cert_chain(uint64_t tcb)
{
    EVP_PKEY *ark = named_key("ARK", 0), *ask = named_key("ASK", 0);
    EVP_PKEY *vcek = named_key("VCEK", tcb);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *mem;
    long len;

    if (ark && ask && vcek && bio &&
        add_cert(bio, "SEV-VCEK", "SEV", vcek, ask, false, tcb) &&
        add_cert(bio, "SEV", "ARK", ask, ark, true, 0) &&
        add_cert(bio, "ARK", "ARK", ark, ark, true, 0)) {
        len = BIO_get_mem_data(bio, &mem);
        text = malloc(len + 1);
        if (text) {
            memcpy(text, mem, len);
            text[len] = '\0';
        }
    }
    BIO_free(bio);
    EVP_PKEY_free(ark);
    EVP_PKEY_free(ask);
    EVP_PKEY_free(vcek);
    return text;
}
