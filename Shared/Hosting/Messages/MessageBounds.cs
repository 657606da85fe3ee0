using System.Collections.Frozen;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;

namespace Distributed.Hosting.Messages;

/// <summary>The largest size of each control message, from the limits of its members. Akka silently drops messages above its frame size, so
/// the serializer refuses any above <see cref="MaxBytes"/>, and a test keeps every bound below that.</summary>
internal static class MessageBounds
{
    public const int FrameBytes = 512_000;
    /// <summary>Bytes of a message; the rest of the frame is for Akka's envelope: two addresses and a manifest.</summary>
    public const int MaxBytes = FrameBytes - 12_000;
    public const int MaxWorkers = 1024; // Workers at a time, since each has a place in a BeginPlan.
    public const int MaxWorkerId = 80; // Characters of a worker's id: its wanted name and a number.
    public const int MaxText = 8192; // Characters of a text for people; the rest is cut.
    public const int ReportsBytes = 128 * 1024; // Bytes of the reports in a RoundsApplied, unless a single one has more.
    public const long KeptBytes = 64L << 20; // Bytes of the reports that a worker keeps, see ReportsSafe.

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

    /// <summary>The bound of a message without its <see cref="NumberedBytes"/>.</summary>
    public static long Of(Type message) => _bounds[message];

    public const long NumberedBytes = Head + (3 * Number) + Head + 32 + Head; // The bound of a Numbered around a message.

    public static int ReportBytes(int tallies) => Head + (4 * Number) + Digest + Head + (Number * tallies) + Head + (5 * Number);

    /// <summary>Rounds between two <see cref="ReportsSafe"/>: a quarter of the kept ones, so that a worker can go on alone.</summary>
    public static long SafeInterval(int tallies) => Math.Clamp(KeptBytes / 4 / ReportBytes(tallies), 64, ReportsSafe.MaxInterval);

    /// <summary>Splits reports, in order, into messages of at most <paramref name="most"/> bytes, unless a single one has more.</summary>
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

    /// <summary>The message with its text for people cut to the limit.</summary>
    public static IControlMessage Shortened(IControlMessage message) => message switch
    {
        FindData { Missing: var text } when IsLong(text) => new FindData(Cut(text)),
        NoData { Reason: var text } when IsLong(text) => new NoData(Cut(text)),
        Refused { Reason: var text } m when IsLong(text) => m with { Reason = Cut(text) },
        PeerLost { Why: var text } m when IsLong(text) => m with { Why = Cut(text) },
        Leave { Reason: var text } when IsLong(text) => new Leave(Cut(text)),
        Noted { Text: var text } when IsLong(text) => new Noted(Cut(text)),
        Failed { Reason: var text } when IsLong(text) => new Failed(Cut(text)),
        Dismissed { Reason: var text } when IsLong(text) => new Dismissed(Cut(text)),
        _ => message,
    };

    private static bool IsLong(string text) => text.Length > MaxText;

    private static string Cut(string text) => $"{text[..(MaxText - 3)]}...";

    private static long Of(params ReadOnlySpan<long> parts)
    {
        long sum = Head;
        foreach (var part in parts) sum += part;
        return sum;
    }

    /// <summary>UTF-8 has up to three bytes for one UTF-16 character.</summary>
    private static long Text(int characters) => Head + (3L * characters);

    private static long Ascii(int characters) => Head + characters;

    private static long Host => Ascii(LinkEndpoint.MaxHostLength);
    private static long Token => Head + 64;
    private static int Digest => 1 + (2 * Number);
}
