using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

/// <summary>Two ends prove to each other that they hold the same token, or fail to.</summary>
public sealed class JoinHandshakeTests
{
    [Fact]
    public void Two_ends_with_the_same_token_trust_each_other() => Gen.Byte.Array[0, 2000].Array[0, 10].Sample(messages =>
    {
        var (here, there) = Channels();
        foreach (var message in messages)
        {
            Assert.Equal(message, there.Open(here.Seal(message)));
            Assert.Equal(message, here.Open(there.Seal(message)));
        }
    });

    [Fact]
    public void A_different_token_is_detected_by_both_ends()
    {
        var connecting = JoinHandshake.Connecting(JoinToken.Create(), JoinHandshake.Links);
        var accepting = JoinHandshake.Accepting(JoinToken.Create(), JoinHandshake.Links);
        var answer = accepting.Receive(connecting.Opening!);
        Assert.Equal((null, null), (answer.Channel, answer.Refusal));
        var proof = connecting.Receive(answer.Reply!);
        Assert.Equal((null, Refusal.Untrusted), (proof.Channel, proof.Refusal));
        Assert.Equal(new JoinStep(null, null, Refusal.Untrusted), accepting.Receive(proof.Reply!));
        Assert.Throws<InvalidOperationException>(() => accepting.Receive(proof.Reply!));
    }

    [Fact]
    public void A_proof_for_one_plane_is_invalid_for_the_other()
    {
        var token = JoinToken.Create();
        var (connecting, accepting) =
            (JoinHandshake.Connecting(token, JoinHandshake.Links), JoinHandshake.Accepting(token, JoinHandshake.Control));
        Assert.Equal(Refusal.Untrusted, connecting.Receive(accepting.Receive(connecting.Opening!).Reply!).Refusal);
    }

    [Fact]
    public void A_message_changed_anywhere_proves_nothing() =>
        Gen.Select(Gen.Int[0, 2], Gen.Int[0, JoinHandshake.MaxLength - 1], Gen.Byte[1, 255]).Sample((which, at, change) =>
        {
            var token = JoinToken.Create();
            var (connecting, accepting) =
                (JoinHandshake.Connecting(token, JoinHandshake.Links), JoinHandshake.Accepting(token, JoinHandshake.Links));
            var opening = connecting.Opening!.ToArray();
            if (which == 0) opening[at % opening.Length] ^= change;
            var answer = accepting.Receive(opening);
            if (answer.Refusal is { } garbage)
            {
                Assert.Equal(Refusal.Garbage, garbage);
                return;
            }
            var reply = answer.Reply!.ToArray();
            if (which == 1) reply[at % reply.Length] ^= change;
            var proof = connecting.Receive(reply);
            if (which < 2)
            {
                Assert.Null(proof.Channel);
                Assert.NotNull(proof.Refusal);
                if (proof.Reply is not null) Assert.Equal(Refusal.Untrusted, accepting.Receive(proof.Reply).Refusal);
                return;
            }
            proof.Reply![at % proof.Reply.Length] ^= change;
            var end = accepting.Receive(proof.Reply);
            Assert.Null(end.Channel);
            Assert.NotNull(end.Refusal);
        });

    [Fact]
    public void A_reflected_message_proves_nothing()
    {
        // An attacker that connects to both ends, or twice to one, has only these messages.
        var token = JoinToken.Create();
        var (first, second) = (JoinHandshake.Accepting(token, JoinHandshake.Links), JoinHandshake.Accepting(token, JoinHandshake.Links));
        var opening = JoinHandshake.Connecting(token, JoinHandshake.Links).Opening!;
        var answer = first.Receive(opening).Reply!;
        // The answer of one end, used as a proof for the other.
        second.Receive(opening);
        Assert.Equal(Refusal.Untrusted, second.Receive([.. answer[..8], .. answer[^32..]]).Refusal);
        // The answer to another opening.
        Assert.Equal(Refusal.Untrusted, JoinHandshake.Connecting(token, JoinHandshake.Links).Receive(answer).Refusal);
    }

    [Fact]
    public void Any_bytes_are_refused() => Gen.Byte.Array[0, 200].Sample(bytes =>
    {
        var token = JoinToken.Create();
        JoinHandshake[] ends =
            [JoinHandshake.Accepting(token, JoinHandshake.Links), JoinHandshake.Connecting(token, JoinHandshake.Links)];
        foreach (var end in ends)
            Assert.Equal(new JoinStep(null, null, Refusal.Garbage), end.Receive(bytes));
    });

    [Fact]
    public void A_changed_repeated_missing_or_reflected_sealed_message_is_rejected()
    {
        var message = "a message"u8.ToArray();
        foreach (var attack in (string[])["change", "repeat", "leave out", "send back", "shorten", "nothing"])
        {
            var (here, there) = Channels();
            var box = here.Seal(message);
            switch (attack)
            {
                case "change":
                    box[3] ^= 1;
                    break;
                case "repeat":
                    Assert.Equal(message, there.Open(box));
                    break;
                case "leave out":
                    box = here.Seal(message);
                    break;
                case "send back":
                    Assert.Null(here.Open(box));
                    continue;
                case "shorten":
                    box = box[..^1];
                    break;
                default:
                    box = [];
                    break;
            }
            Assert.Null(there.Open(box));
        }
    }

    private static (SealedChannel Here, SealedChannel There) Channels()
    {
        var token = JoinToken.Create();
        var (connecting, accepting) =
            (JoinHandshake.Connecting(token, JoinHandshake.Links), JoinHandshake.Accepting(token, JoinHandshake.Links));
        var proof = connecting.Receive(accepting.Receive(connecting.Opening!).Reply!);
        return (proof.Channel!, accepting.Receive(proof.Reply!).Channel!);
    }
}
