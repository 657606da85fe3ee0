using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Distributed.Coordinator.Storage;
using Google.Protobuf;

namespace Distributed.Coordinator.Runs;

// A file of TensorBoard events: records of a length, its checksum, an Event in protocol buffers, and its checksum.
// Source: tensorflow/core/lib/io/record_writer.cc (records), tensorboard/compat/proto/event.proto and summary.proto (events).
internal sealed class EventFile : IDisposable
{
    public const string NamePrefix = "events.out.tfevents.";
    private const string Version = "brain.Event:2";

    // Field numbers and wire types of the messages.
    private const uint WallTime = (1 << 3) | 1, Step = 2 << 3, FileVersion = (3 << 3) | 2;
    private const uint Summary = (5 << 3) | 2, SessionLog = (7 << 3) | 2;
    private const uint Value = (1 << 3) | 2, Tag = (1 << 3) | 2, SimpleValue = (2 << 3) | 5;
    private const uint SessionStatus = 1 << 3;
    private const int SessionStart = 1;

    private readonly FileStream _file;
    private readonly TimeProvider _time;

    /// <param name="from">Hides points from this step on in earlier files of the folder.</param>
    public EventFile(string folder, long from, TimeProvider time)
    {
        _time = time;
        Directory.CreateDirectory(folder);
        // TensorBoard reads the files of a folder in the order of their names.
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var name = string.Create(CultureInfo.InvariantCulture, $"{now:D14}.{Environment.MachineName}.{Environment.ProcessId}");
        _file = new(Path.Combine(folder, NamePrefix + name), FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
        Write(step: 0, output =>
        {
            output.WriteTag(FileVersion);
            output.WriteString(Version);
        });
        Write(from, output =>
        {
            output.WriteTag(SessionLog);
            output.WriteBytes(Message(log =>
            {
                log.WriteTag(SessionStatus);
                log.WriteEnum(SessionStart);
            }));
        });
    }

    public void Add(long step, params (string Tag, double Value)[] values)
    {
        Write(step, output =>
        {
            output.WriteTag(Summary);
            output.WriteBytes(Message(summary =>
            {
                foreach (var (tag, value) in values)
                {
                    summary.WriteTag(Value);
                    summary.WriteBytes(Message(point =>
                    {
                        point.WriteTag(Tag);
                        point.WriteString(tag);
                        point.WriteTag(SimpleValue);
                        point.WriteFloat((float)value);
                    }));
                }
            }));
        });
    }

    public void Flush() => _file.Flush();
    public void Dispose() => _file.Dispose();

    /// <summary>Closes a file that could not be written, and deletes it if it is empty.</summary>
    public void Abandon()
    {
        StorageError.Ignore(_file.Dispose);
        StorageError.Ignore(() =>
        {
            if (new FileInfo(_file.Name) is { Exists: true, Length: 0 } empty) empty.Delete();
        });
    }

    private void Write(long step, Action<CodedOutputStream> what)
    {
        var record = Message(output =>
        {
            output.WriteTag(WallTime);
            output.WriteDouble(_time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0);
            output.WriteTag(Step);
            output.WriteInt64(step);
            what(output);
        }).Span;
        Span<byte> head = stackalloc byte[sizeof(ulong) + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)record.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[sizeof(ulong)..], Checksum(head[..sizeof(ulong)]));
        Span<byte> tail = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(tail, Checksum(record));
        _file.Write(head);
        _file.Write(record);
        _file.Write(tail);
    }

    private static ByteString Message(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var output = new CodedOutputStream(bytes, leaveOpen: true)) write(output);
        return ByteString.CopyFrom(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    // CRC-32C, rotated and offset: a plain CRC of data that contains CRCs is weak.
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var next in bytes) crc = BitOperations.Crc32C(crc, next);
        crc = ~crc;
        return unchecked(BitOperations.RotateRight(crc, 15) + 0xa282ead8);
    }
}
