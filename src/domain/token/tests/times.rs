use super::*;

/// J18: `exp` is required, and a number.
#[test]
fn exp_is_required_and_a_number() {
    assert_eq!(verify(&with_claims(r#"{"storeId":"s1"}"#)), Err(TokenError::Claims));
    for exp in ["null", "\"9999999999\"", "true", "[9999999999]", "{}", "NaN", "1e400"] {
        assert_eq!(verify(&with_exp(exp)), Err(TokenError::Claims), "{exp}");
    }
    assert_eq!(verify(&with_exp("-1")), Err(TokenError::Expired));
    assert_eq!(verify(&with_exp("-1e300")), Err(TokenError::Expired));
}

/// J19: no overflow, and milliseconds are not seconds.
#[test]
fn an_exp_far_ahead_lives_too_long() {
    for exp in ["1e19", "18446744073709551615", "9223372036854775808", "9999999999999", "1e300"] {
        assert_eq!(verify(&with_exp(exp)), Err(TokenError::LivesTooLong), "{exp}");
        let unlimited = verifier_with(TokenRules { max_ttl: Duration::ZERO, ..rules() });
        assert!(unlimited.verify(&with_exp(exp), now()).is_ok(), "{exp}");
    }
}

/// J20: both edges of `exp`, for each leeway.
#[test]
fn a_token_is_refused_from_the_second_it_expires() {
    for leeway in [0, 30, 60] {
        let verifier = verifier_with(TokenRules { leeway: Duration::from_secs(leeway), ..rules() });
        let verify = |exp: i64| verifier.verify(&with_exp(&exp.to_string()), now());
        let leeway = i64::try_from(leeway).unwrap();
        assert!(verify(NOW + 1).is_ok());
        assert!(verify(NOW - leeway + 1).is_ok());
        assert_eq!(verify(NOW - leeway), Err(TokenError::Expired));
        assert_eq!(verify(NOW - leeway - 1), Err(TokenError::Expired));
    }
    assert!(verify(&with_exp(&format!("{}.5", NOW + 1))).is_ok());
}

/// J21: a `nbf` of the wrong type is not "no nbf" (CVE-2026-25537).
#[test]
fn nbf_in_the_future_is_refused_whatever_its_type() {
    let verify = |nbf: &str| verify(&with_claims(&format!(r#"{{"storeId":"s1","exp":{},"nbf":{nbf}}}"#, NOW + 60)));
    assert_eq!(verify(&(NOW + 31).to_string()), Err(TokenError::NotYetValid));
    assert_eq!(verify("1e300"), Err(TokenError::NotYetValid));
    assert_eq!(verify("\"99999999999\""), Err(TokenError::Claims));
    assert_eq!(verify("null"), Err(TokenError::Claims));
    assert!(verify(&(NOW + 30).to_string()).is_ok());
    assert!(verify("0").is_ok());
}

/// J22: `iat` ahead of time, and lives over the limit.
#[test]
fn iat_bounds_the_life() {
    let verify = |iat: i64, exp: i64| verify(&with_claims(&format!(r#"{{"storeId":"s1","exp":{exp},"iat":{iat}}}"#)));
    assert!(verify(NOW, NOW + 86_400).is_ok());
    assert_eq!(verify(NOW, NOW + 86_401), Err(TokenError::LivesTooLong));
    assert_eq!(verify(NOW + 3600, NOW + 7200), Err(TokenError::NotYetValid));
    assert_eq!(verify(NOW - 315_360_000, NOW + 31_536_000), Err(TokenError::LivesTooLong));
    assert_eq!(verify(i64::MIN, NOW + 60), Err(TokenError::LivesTooLong));
}

/// J47: a clock at either end of time refuses and never panics.
#[test]
fn extreme_clocks_never_panic() {
    let verifier = verifier_with(rules());
    assert_eq!(verifier.verify(&good(), Timestamp::MAX), Err(TokenError::Expired));
    assert!(verifier.verify(&good(), Timestamp::MIN).is_err());
}
