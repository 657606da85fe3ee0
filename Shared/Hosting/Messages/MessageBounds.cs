using System.Collections.Frozen;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;

namespace Distributed.Hosting.Messages;

/// <summary>
/// How many bytes each control message has at most, from the limits on what is in it. Akka drops what is larger than its frame without
/// a word, so nothing may be: the serializer refuses what is above <see cref="MaxBytes"/>, and a test holds every bound below that.
/// </summary>
internal static class MessageBounds
{
    public const int FrameBytes = 512_000;

    /// <summary>Bytes that a message may have; the rest of the frame is for Akka's envelope: two addresses and a manifest.</summary>
    public const int MaxBytes = FrameBytes - 12_000;

    /// <summary>Workers that may be there at a time: each has a place in a <see cref="BeginPlan"/>.</summary>
    public const int MaxWorkers = 1024;

    /// <summary>Characters of a worker's id: the name that it would like to have, and a number.</summary>
    public const int MaxWorkerId = 80;

    /// <summary>Characters of a text for people; a longer one is cut, which shows.</summary>
    public const int MaxText = 8192;

    /// <summary>Bytes of the reports in a <see cref="RoundsApplied"/>, unless a single one has more.</summary>
    public const int ReportsBytes = 128 * 1024;

    /// <summary>Bytes of reports that a worker keeps, at least so many rounds of them: see <see cref="ReportsSafe"/>.</summary>
    public const long KeptBytes = 64L << 20;

    private const int MaxDigestText = 128;
    private const int Number = 9;
    private const int Head = 5;

    private static readonly FrozenDictionary<Type, long> _bounds = new Dictionary<Type, long>
    {
        [typeof(Register)] = Of(Text(MaxWorkerId), Text(MaxText), Token, 4 * Number),
        [typeof(Welcome)] = Of(Ascii(MaxWorkerId), Text(JobFile.MaxLength), Host, Token, 7 * Number),
        [typeof(FindData)] = Of(Text(MaxText)),
        [typeof(DataFound)] = Of(Ascii(DataManifest.KeyLength), 2 * Number),
        [typeof(NoData)] = Of(Text(MaxText)),
        [typeof(SendData)] = Of(Ascii(DataManifest.KeyLength)),
        [typeof(ReportsSafe)] = Of(Number),
        [typeof(Refused)] = Of(Text(MaxText), 1),
        [typeof(Probe)] = Of(Text(JobFile.MaxLength)),
        [typeof(Probed)] = Of(Text(Probed.MaxWhat), 2 * Number),
        [typeof(Prepared)] = Of(2 * Text(MaxDigestText), Host, Text(Prepared.MaxInitial), Text(DataDescription.MaxLength), 8 * Number),
        [typeof(Halt)] = Of(Number),
        [typeof(Halted)] = Of(2 * Number, Digest),
        [typeof(Synced)] = Of(2 * Number, Digest),
        [typeof(BeginPlan)] = Of(5 * Number, 4 * Head, MaxWorkers * (Ascii(MaxWorkerId) + Host + (2 * Number))),
        [typeof(PeerLost)] = Of(Number, Ascii(MaxWorkerId), Text(MaxText)),
        [typeof(SendState)] = Of(Number),
        [typeof(RoundsApplied)] = Of(Head, Math.Max(ReportsBytes, ReportBytes(VectorLayout.MaxTallies))),
        [typeof(Leave)] = Of(Text(MaxText)),
        [typeof(Noted)] = Of(Text(MaxText)),
        [typeof(Failed)] = Of(Text(MaxText)),
        [typeof(Dismissed)] = Of(Text(MaxText)),
        [typeof(Heard)] = Of(2 * Number),
    }.ToFrozenDictionary();

    /// <summary>Bytes that a message of this kind has at most. What is numbered has those of its content and <see cref="NumberedBytes"/>.</summary>
    public static long Of(Type message) => _bounds[message];

    /// <summary>What a number costs: <see cref="Numbered"/> around a message.</summary>
    public const long NumberedBytes = Head + (3 * Number) + Head + 32 + Head;

    /// <summary>Bytes of the report of a round with so many tallies, at most.</summary>
    public static int ReportBytes(int tallies) => Head + (4 * Number) + Digest + Head + (Number * tallies) + Head + (5 * Number);

    /// <summary>
    /// Rounds between two <see cref="ReportsSafe"/>: a quarter of what a worker may keep, so that one that trains on while the
    /// coordinator is away has the rest.
    /// </summary>
    public static long SafeInterval(int tallies) => Math.Clamp(KeptBytes / 4 / ReportBytes(tallies), 64, ReportsSafe.MaxInterval);

    /// <summary>Reports in as many messages as their bytes need, in order.</summary>
    /// <param name="most">Bytes of those in a message, unless a single one has more.</param>
    public static IEnumerable<RoundsApplied> Split(IEnumerable<RoundReport> reports, int most = ReportsBytes)
    {
        List<RoundReport> some = [];
        var bytes = 0;
        foreach (var report in reports)
        {
            var more = ReportBytes(report.Tallies.Length);
            if (some.Count > 0 && bytes + more > most)
            {
                yield return new([.. some]);
                some.Clear();
                bytes = 0;
            }
            some.Add(report);
            bytes += more;
        }
        if (some.Count > 0) yield return new([.. some]);
    }

    /// <summary>The same message, in which a text for people that is too long is cut.</summary>
    public static IControlMessage Shortened(IControlMessage message) => message switch
    {
        FindData m => m.Missing.Length > MaxText ? new FindData(Cut(m.Missing)) : m,
        NoData m => m.Reason.Length > MaxText ? new NoData(Cut(m.Reason)) : m,
        Refused m => m.Reason.Length > MaxText ? m with { Reason = Cut(m.Reason) } : m,
        PeerLost m => m.Why.Length > MaxText ? m with { Why = Cut(m.Why) } : m,
        Leave m => m.Reason.Length > MaxText ? new Leave(Cut(m.Reason)) : m,
        Noted m => m.Text.Length > MaxText ? new Noted(Cut(m.Text)) : m,
        Failed m => m.Reason.Length > MaxText ? new Failed(Cut(m.Reason)) : m,
        Dismissed m => m.Reason.Length > MaxText ? new Dismissed(Cut(m.Reason)) : m,
        _ => message,
    };

    private static string Cut(string text) => $"{text[..(MaxText - 3)]}...";

    private static long Of(params ReadOnlySpan<long> parts)
    {
        long sum = Head;
        foreach (var part in parts) sum += part;
        return sum;
    }

    /// <summary>UTF-8 has up to three bytes for one of .NET's characters.</summary>
    private static long Text(int characters) => Head + (3L * characters);

    private static long Ascii(int characters) => Head + characters;

    private static long Host => Ascii(LinkEndpoint.MaxHostLength);

    private static long Token => Head + 64;

    private static int Digest => 1 + (2 * Number);
}
