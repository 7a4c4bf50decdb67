/*
 * Keys and tokens made by Node (tests/support/token_vectors.mjs). All claim that they are
 * of ann, until 1700000600.
 */
#ifndef TESTS_UNIT_TOKEN_VECTORS_H
#define TESTS_UNIT_TOKEN_VECTORS_H

static const char secret[] = "a secret for tests, 0123456789abcdef";

static const char other_secret[] =
    "another secret of the same service, before the last rotation";

static const char rsa_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsYJE1i1bC5DjW8decb9i\n"
    "iemMCufz6QmPtvSOjomMJwK4PuyiVhPTyg6jduX72nb/vRKfkmpfuEusOdwcfjDC\n"
    "YG0cjLl3+slZuzKqhMfVn/qzHMJLO7FP0wzbBPzXYYohDXvqEXfQDDx0Je3mVDLz\n"
    "TV+4fh9lonqib9qbujEO4nl0wZIBWqLbmR9NQT2VxarusOHC1FmY697yFp4BnYSf\n"
    "oRcSPm64b8wElsJnsf146UwrGhN5ONWjTTfHW1D82WVafiFnks2J2pPAcSpvGZTc\n"
    "PFv/vURCzqVX0wlNwXJfETYT7PgKUXJKE0ABpNy/iBtCWaqbgq4ATPI8Qn28jFo6\n"
    "2wIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

static const char rsa_second_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxO4jAOPqwc7CT7/Q02Bf\n"
    "r8r79dIVl7I3/2J3ohUGPTk+mf64DQfqDUZ80bjpr2opxtGgxli15+o7lr2rT61K\n"
    "eAEP0Jm3zufsl/e9My2SwDJ+Ymh4PbFHoQAD7dMdoSLmJMYHNaVWveukyi0ajBq3\n"
    "8CCyYhkhZ+4vpWjKpHslMGoF7+Sdn1/9D71unW75ORoh03tSB7wczOuQdKfvnQBM\n"
    "edmz9bQiSufnEazmrqHwub7DZrsrgETuGm5rk2KyBeERqsIXuagRaV8us5zaoUI+\n"
    "GXMtRjAWv4ax44T07CM2aQa7TTRh0FrKbFn4QKsbUSKQB3C+6Ehbkq121/BJBGhn\n"
    "bQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

static const char p256_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIYchrGDNLFSgovEgnOWnG6mmQu6G\n"
    "SqxDK39ZNIjA7GkbK9aDd+RQNT8Guk93Yf5iR/VXp3xABsvU1guqwJ7Drw==\n"
    "-----END PUBLIC KEY-----\n";

static const char p384_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEGXwgWjv+zzXOQInSg52/ongEnqNrU2hO\n"
    "V1VwPZ8RcX/dMkIUDdXcAed19RgxurJrLHlt9gJv6vuIE/Ei/BDM+5624SCmCjky\n"
    "LUq0x7FL0JoV8xFs6rMF8L/hhcXx7KPm\n"
    "-----END PUBLIC KEY-----\n";

static const char ed25519_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAdiHVXgDrJvAMpLRhB55p3M8RxAlwvyIyrxLREPQF0m8=\n"
    "-----END PUBLIC KEY-----\n";

static const char weak_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwBOw0ft1dUvbMPX8pxpfdCR+/\n"
    "wb+rP2QKI6GesdgywdOQFcDSNculmcm9Arv3vC75hvML5GtY6OMbXcFZRh+z6+/1\n"
    "znUVORDRx38Qe4xISZ3MU6Sj4eEKBJBKmcBTJH34e4k7p3Q41jb37pJ1lxIoBlnG\n"
    "HfcPMG7Lpc9xO7jNPwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

static const char p521_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAEKGta7YWzd+pYRujJodxiUcT02MM\n"
    "pMOeedDK/DliQ8x3SnliIQRy6L1nXPRCIIyixzdQSa+g72kCivoVlrqvy9wAN3JV\n"
    "q5nUFDuGHgZh6kSbkTzj9Os+ZKjT4VdSrjc43R40hM8g5sslU0o7RH5P86AUvKO/\n"
    "K5Y3Gc9qxxjk5it20vA=\n"
    "-----END PUBLIC KEY-----\n";

static const char rsa_private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCxgkTWLVsLkONb\n"
    "x15xv2KJ6YwK5/PpCY+29I6OiYwnArg+7KJWE9PKDqN25fvadv+9Ep+Sal+4S6w5\n"
    "3Bx+MMJgbRyMuXf6yVm7MqqEx9Wf+rMcwks7sU/TDNsE/NdhiiENe+oRd9AMPHQl\n"
    "7eZUMvNNX7h+H2WieqJv2pu6MQ7ieXTBkgFaotuZH01BPZXFqu6w4cLUWZjr3vIW\n"
    "ngGdhJ+hFxI+brhvzASWwmex/XjpTCsaE3k41aNNN8dbUPzZZVp+IWeSzYnak8Bx\n"
    "Km8ZlNw8W/+9RELOpVfTCU3Bcl8RNhPs+ApRckoTQAGk3L+IG0JZqpuCrgBM8jxC\n"
    "fbyMWjrbAgMBAAECggEACW/yKGIKpNehukH/iW97HxullPkkBJkp0pQA0WhT0u38\n"
    "qIvF3/0cKASDOFGd36j3+Xkc20+lD7i4ge5r5D0NHRUCQ9o1CercRrYml9XCS8f1\n"
    "OLTGA8IlQbuGqpRcbe/9Nd++FuXxz7AoQmP6HOmXZ5X6XMWoRVrc52l7qy9ZF4Zj\n"
    "81NFmyrUMuCIhZQFSl19kXvug546NvX1wrN7Y/NPSdG3d0d0GtyCc/bUnmbJ9RsW\n"
    "GlRKsUoy/6B8FZCpdNSSWaCQrZHJ7LXZE930sbtFjCWoerdu5uWeTiAr2KuyG5QR\n"
    "mXaiQFYyuQSFd8mng7zV4N76+xl/ELkAA7TNMLCGwQKBgQDnhI2CD+pZVcs+MoP0\n"
    "wS8Ea0NnhwMeq2wmV6NvnpXfmlE8iA6G0uG5tsNd2WfO3YGqkGJicBPzDAnXLZGM\n"
    "nL0bo91cpHROMszwkaRy8j7EdMAKpuIMmfQdtbs0U6M++yUnv/uPI/6Ere8+F6kT\n"
    "QGww4Y1k3dj7QQ3sbcDhzpf7MQKBgQDER6I/jFo3Z8evo8WdW4X5q+3q0SKo+iH3\n"
    "AR4v9kDdVSWXQBnfiAD48xa84c0/CRcea9U0WdoqS4urLHRWU+99hU5ZM3vNaNvR\n"
    "3gp9EZyjQLAK+cx12dd9z+ntMxCFmEnvUSOBciXP6FIHm0oEmNBj3TvEm7p5M4U0\n"
    "d98G4h37ywKBgQC3ppNmD9/zW7YssX+xYKk+VSQT9KqJ4quYwr5X5bG3vT8hyD/V\n"
    "vWTnn83cHYBWPaoFNiGFOqjojK0lrvUdWJw+V79aJO5JtcySLMYJlJYr2v0Xtgfs\n"
    "vRdDlgxZVttRM4HmxUj05DWa5Cq606QALINmRxWVZNIhhRpZaTqvJOW0kQKBgGTx\n"
    "1l7KZweBpzAMkTBphpCuPJD8d8/hvKAVAhp2kkuCY+/StrvAbYebNYF0u6MEoNAz\n"
    "cxYWc942tiEVnstbJZsveOjlUnGE0TCw+kHyUdWgCinK6L1fiLUavdsQ3RloBfY/\n"
    "i3wiYZH4kF97HOkaUmpZuEhYMuHsfkBKufgHSJZbAoGAfETuJSz7LZjCGnIEVOcA\n"
    "XGo3J4gj2CeSuSHf/ubYFtN+eawh3ncfBuzoU1BBu0JhXxf4//2gnI7z9sOJ9uFQ\n"
    "QHTi2XnrTdmevZsQMGuo0O3jMsHG+esHAbc9jFR26f9S1yORCTYpLnmg+QxDbl7a\n"
    "Yo4eVsPaZotU1PnwEVGgDi0=\n"
    "-----END PRIVATE KEY-----\n";

static const char p256_private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrLwFawWnPARHK6Bt\n"
    "eEzjT+W5e8/R4090E5gHF9vXjB2hRANCAAQhhyGsYM0sVKCi8SCc5acbqaZC7oZK\n"
    "rEMrf1k0iMDsaRsr1oN35FA1Pwa6T3dh/mJH9VenfEAGy9TWC6rAnsOv\n"
    "-----END PRIVATE KEY-----\n";

static const char p384_private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDKrIvK57jfDxCuvXCZ\n"
    "vNHInHceGZUWah5enAUjAC1QcPmtCUcIzO0KnJFlg9I+1sehZANiAAQZfCBaO/7P\n"
    "Nc5AidKDnb+ieASeo2tTaE5XVXA9nxFxf90yQhQN1dwB53X1GDG6smsseW32Am/q\n"
    "+4gT8SL8EMz7nrbhIKYKOTItSrTHsUvQmhXzEWzqswXwv+GFxfHso+Y=\n"
    "-----END PRIVATE KEY-----\n";

static const char ed25519_private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIFl8i1Ab4ZMU7lWzCAN+9uV8vAoSBE5XVp5kyOwqyhzI\n"
    "-----END PRIVATE KEY-----\n";

static const char jwks[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":"
    "\"sYJE1i1bC5DjW8decb9iiemMCufz6QmPtvSOjomMJwK4PuyiVhPTyg6jd"
    "uX72nb_vRKfkmpfuEusOdwcfjDCYG0cjLl3-slZuzKqhMfVn_qzHMJLO7FP0wzbBPzXYYohDXvqEXfQDDx0J"
    "e3mVDLzTV-4fh9lonqib9qbujEO4nl0wZIBWqLbmR9NQT2VxarusOHC1FmY697yFp4BnYSfoRcSPm64b8wEl"
    "sJnsf146UwrGhN5ONWjTTfHW1D82WVafiFnks2J2pPAcSpvGZTcPFv_vURCzqVX0wlNwXJfETYT7PgKUXJKE"
    "0ABpNy_iBtCWaqbgq4ATPI8Qn28jFo62w\",\"e\":\"AQAB\",\"kid\":\"rsa\",\"use\":\"sig\"},"
    "{\"kty\":\"RSA\","
    "\"n\":\"xO4jAOPqwc7CT7_Q02Bfr8r79dIVl7I3_2J3ohUGPTk-mf64DQfqDUZ80bjpr2opxtGgxli15-"
    "o7lr2"
    "rT61KeAEP0Jm3zufsl_e9My2SwDJ-Ymh4PbFHoQAD7dMdoSLmJMYHNaVWveukyi0ajBq38CCyYhkhZ-4vpWj"
    "KpHslMGoF7-Sdn1_9D71unW75ORoh03tSB7wczOuQdKfvnQBMedmz9bQiSufnEazmrqHwub7DZrsrgETuGm5"
    "rk2KyBeERqsIXuagRaV8us5zaoUI-GXMtRjAWv4ax44T07CM2aQa7TTRh0FrKbFn4QKsbUSKQB3C-6Ehbkq1"
    "21_BJBGhnbQ\",\"e\":\"AQAB\",\"kid\":\"rsa-second\",\"alg\":\"RS256\",\"key_ops\":["
    "\"verify\"]},{\"kty"
    "\":\"EC\",\"x\":\"IYchrGDNLFSgovEgnOWnG6mmQu6GSqxDK39ZNIjA7Gk\",\"y\":\"GyvWg3fkUDU_"
    "BrpPd2H-Yk"
    "f1V6d8QAbL1NYLqsCew68\",\"crv\":\"P-256\",\"kid\":\"p256\"},{\"kty\":\"EC\",\"x\":"
    "\"GXwgWjv-zzXOQInS"
    "g52_ongEnqNrU2hOV1VwPZ8RcX_dMkIUDdXcAed19RgxurJr\",\"y\":\"LHlt9gJv6vuIE_Ei_BDM-"
    "5624SCmC"
    "jkyLUq0x7FL0JoV8xFs6rMF8L_hhcXx7KPm\",\"crv\":\"P-384\",\"kid\":\"p384\"},{\"crv\":"
    "\"Ed25519\",\"x"
    "\":\"diHVXgDrJvAMpLRhB55p3M8RxAlwvyIyrxLREPQF0m8\",\"kty\":\"OKP\",\"kid\":\"ed\"},{"
    "\"kty\":\"EC\","
    "\"x\":"
    "\"ABChrWu2Fs3fqWEboyaHcYlHE9NjDKTDnnnQyvw5YkPMd0p5YiEEcui9Z1z0QiCMosc3UEmvoO9pAor"
    "6FZa6r8vc\",\"y\":\"ADdyVauZ1BQ7hh4GYepEm5E84_TrPmSo0-FXUq43ON0eNITPIObLJVNKO0R-T_"
    "OgFLyj"
    "vyuWNxnPascY5OYrdtLw\",\"crv\":\"P-521\",\"kid\":\"p521\"},{\"kty\":\"RSA\",\"n\":"
    "\"8ATsNH7dXVL2zD1_"
    "KcaX3Qkfv8G_qz9kCiOhnrHYMsHTkBXA0jXLpZnJvQK797wu-YbzC-RrWOjjG13BWUYfs-vv9c51FTkQ0cd_"
    "EHuMSEmdzFOko-HhCgSQSpnAUyR9-HuJO6d0ONY29-6SdZcSKAZZxh33DzBuy6XPcTu4zT8\",\"e\":"
    "\"AQAB\","
    "\"kid\":\"enc\",\"use\":\"enc\"}]}";

static const char hs256[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.2iBplK9sXHMO3qYlrQjgg4_hAd9-lDPHc56PoiVmEg4";

static const char rs256[] =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.BSGCxRIr0C83XF4nk1W6uEbByrh26x9PY6b4-NnSIv6xhARjHdLVQL8nFM7P"
    "5_lpXbAfy7EPErS6NoGtQyJx1bIsIbrHfGYqz-0_BBDG3ejwuYy4wWjTdh0izLYAINlReRssK0_FHeR8bcis"
    "11uzOddXZo34bXzvRzh13l6pwgQdDW5J_qk6wxfs2MS4gDiFoop2mvzRR5k-to-oZvoQqF1tq4DA1m18zAfq"
    "2q93BAb_6xl7vsiZw8ReN_7akj7qt_zFY_lTZORTA1zNXs28Jt-BcyNXq8MIv1OwOsuKirdjtkOzbhlwnpD5"
    "Da7pm6jztxo80hUcZ5vgjEb7p9ZVQw";

static const char hs384[] =
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.RGy1Lc_cZYZ5qoZe4Asey1y7xYm4ekcVl7EPOL6JKN4mD_j4mQVlJbbAeb1F"
    "jraD";

static const char rs384[] =
    "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.FP5GGyg1n2W1w5ZtZ4hqi490TPQkPjxiqCjRXm6fKSvfKJRXedCxOY3tEQSJ"
    "ESLQzAt4Yl-dVCjbdAznuvQnFAshMv8zuBAZfQ4x-GWKhz0oyIRScvWcK7SZPyfsI1c-L97s3yXB3du2c1lL"
    "gLlrlGiHdI6-XDJ61C1-zlbmHfpMTBMvuQ7x1NanJ0fSiE5BBs3F2iyecNDxgDmcwyyBNpSyiOmfdCabe1ev"
    "u07RxBjVH6IVCi26X81IIY81e0OeO7XkhjiJxcaj47sRDr09w0IeaOWzXhAD3MJPxrAcTswIrd6Zo5haOf06"
    "M9-TPlcw5W8LYPNCiyunfbkk8GAY_w";

static const char hs512[] =
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.mTxcpKPIYE-NS6yXYvMHF-3jwqfnNdvs998-hClUi-J2ZJsq4tiyDpV7z66i"
    "cX_OTfaP4tQQDpnpta12aeZlHQ";

static const char rs512[] =
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.A7RTRGjjpxV6kO6kq0YXz2MiXZRLo4UH2bo7ZrNQANaLrfgmjzMsBFWdsKRs"
    "K2Ll44jZUOsnP129_mmRM2hyQ4vPoiYXue6VB84ewmDk78gMsU2cxaPmdB8MpX9lO9itzKXJE_veorejYwZy"
    "ULN9PMgCQjAKLtCuBj3S1cBrNIwJDHTzif-WzIr7071-g2tki82E2s_duqaXzZS5ahCFIEGPBIddrHu_IGlZ"
    "3PL3yI5h9LK1jfn2vZTBRcPt4DHnnKGyuFy3Jl8UpirGp_xMI8rmhdCwG7FMGHMjBJlMnO_fP3LNCnvJk5QF"
    "87Rq7kEgGRCWCgyOjMjqwO-xAEcExw";

static const char hs256_other[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.d6vqIJ5tPu3vddJ8apsH9MHbmIzBYoYbXG-w5XCty-M";

static const char es256[] =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.zJLOvzRZ2kOFgy7WZmNisxiR_T35kOXLXfp2dhv-qIg3NhfeMYTGvjhh8FBo"
    "sxLtjyInWbCTNYASZKFbAVZVhg";

static const char es384[] =
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.pE-UOrnHxGm8ZMecn2wK5ETyCv5vSCQSnaTMWRUAPyztticgEuTyQfbrlXNd"
    "sYiuAx2iOIoXJ5xqv-Q6YZumq9zmnWdYbcEao_jjPcHoVW1fSwVAbnDrYVStywXYjFm5";

static const char eddsa[] =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.2yfzjNRaWtS0EkgSezb3ZAkKvRVJR5t6HUCrLNEkZuV_PQ2rUf9A_VgaU1Vl"
    "hW6yv33pA1E_oPw4NuIKr7p7Bw";

static const char rs256_kid[] =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzYSJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDA"
    "wMDA2MDAsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.F5K_mDQ1gv2HLNBZedfk7mLSIxbevrrV7tUOSaGsUk2-"
    "dxhlG5XnAUFyYL2MRVdAcsj_etuFBBZWYzWaKuVAy9xPB176Awn7f0urQifHmYl5Iur3zmCd_nowe0xMx7vd"
    "L6V3MFfTE43MYrgJO-Xcauzkf0K4V9iUFIKbUelUEXjHPkSIcJbbeiTaVEF4LQv6gWDG1yKYNsMiIHFtgUmf"
    "FPiMq4kZa7rSY_uwaLRyjCTUmS4vtpi7xubnRlkLCloCdvxt3apr4JISpQ9rqXUpNEtUZ0ENk1wDXScO57BN"
    "ly5o4N_T_d0DeThImk4E0o4DeAFmDpi10V2kV3qFg3r0qQ";

static const char rs256_second[] =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzYS1zZWNvbmQifQ.eyJzdWIiOiJhbm4iLCJle"
    "HAiOjE3MDAwMDA2MDAsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.q84htlpUMDlSvzZfgUOk_xUzw6_pT_R46h"
    "w5GtM_Yz3H2YEDzDVs8zbqZG7Vymg8zYAIFKoRIR15eWwmv4jKPtdIi6vNLj7ZmleU5il-w1wVRR5EOH6mzG"
    "PuIewAr0cuwGaxpM9-PW5-zhT_axtdzKHAiwwRNfIRzAsPWyIOvUDipqFfZ9BTPURGnfV1w_0mwmsMroSiQe"
    "w7Dg_tU9jTHVhLdPJ4XwHFgNwvubkxQV5BWV-bAh6NICJtuDjqAoSFTuK1n4NTEHG8R7DJsJM22AgMViJWlS"
    "kLP6vzcROTAoHLUXuRqL-EQaGp_sBQfyB6Lr8IBAlhYqNolPxZcjuSLg";

static const char rs512_second[] =
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6InJzYS1zZWNvbmQifQ.eyJzdWIiOiJhbm4iLCJle"
    "HAiOjE3MDAwMDA2MDAsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.PNnmjEDj5rbOxrNwUKEQZJsbM4W02cnd07"
    "Nz7-oCHM2AC0MTwvRaXKUeENxE3-R98WFV_x4Li7-cx7WUgB4TYLPqsGLDGWzXjbbig2-WqypgfB0lpdXvfQ"
    "wpjsXVesdLLY6kd8y2_eEFBTIArc_F8emn3STtgdaOMEJW17NF6rOxdqjAynZLJcFs3ZDG8EkAGxVwGLJgqg"
    "y84rT9Wu5qNsHYRGb9aMKLWCnJ3mz47CbFXGBykiNISoct7MzFaHqoG3DxHO2HgEfxicTPE1aoSnOFLIg75I"
    "cSLowH-v1gXdWKMtnIOGD2OsfrwCDTMZpp61Jp30qZuvKZ8VlX3aT_UA";

static const char rs256_wrong_kid[] =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzYS1zZWNvbmQifQ.eyJzdWIiOiJhbm4iLCJle"
    "HAiOjE3MDAwMDA2MDAsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.Ud5-MCpsbrrl7X2MaR1ChpG6EKTTXUyMh9"
    "57JVvmQ1lKQTVApomMMooQTRH5kM79tUmUXEAEeJOk3rsa8TTnVOPtWegEM1OxL83RoNE1jIE-17D3HgIgL3"
    "8uOItPyOFMyyUQJZz96tANTT540FJJVjtJtiqYyL8Ifpo-qI75EnvX0Tl2B9-s1iMbBYN7NWu57vjP2Lc041"
    "4FZXa2uNHOBxgKLezsQWiQ76wS4gSbUa21t215ILMUJtT0QzbH_whULB9kJwb71yjTN1RGpw5J0bnqfd_h9n"
    "uLt7_yTzWRUaYCY20CjEM1DFzciSfYy3uZDPdxQ3OZQW8hqNBXHyTpsQ";

static const char rs256_unknown_kid[] =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Im5vYm9keSJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE"
    "3MDAwMDA2MDAsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.BM9wgoj95qvvo1CD8jigXcfvxFqkHY6fhIyeOonQ"
    "BMtIJtOqw_SfQHx_szPg92-YBB2znNevhU9MMRLVhruO5pNvZH3NNePgKnzZgrLNJ1dJNe3cCcnEb-_NLGyg"
    "EhwiZbLtDGVvCfHgQKRQYx5VYjFCSut_6Jojw1-bYCM0agUpvYo_08G-o8ciawUk8WOJ8GgGdEJUgeTLS7sl"
    "Wnm_aYCQy8nFDWStpd9JfPD6LXa1jwOTqipD89RJ8CFKUnc1Fo-Dzz6dvt28NY7g7KKhAxSe9EiKk0NFdR96"
    "zBYMBvdK5Qe2tbxnHnasII_cTFT1fwQ6-k1O5Tb3hooak2Idkw";

static const char hs256_by_public_key[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwMDA2MDAsImluZm8"
    "iOnsibmFtZSI6IkFubiJ9fQ.FzPbxXAXXzEZzkSm-NwsjdeEO9PsvkrHqQwODZyUY3Y";

#endif
