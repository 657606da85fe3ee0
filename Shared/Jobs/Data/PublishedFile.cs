namespace Distributed.Jobs.Data;

/// <summary>A file as its publisher made it, known by its decompressed content.</summary>
/// <param name="Name">File name, without ".gz".</param>
/// <param name="ContentSha256">SHA-256 of the decompressed content, lower-case hexadecimal.</param>
internal sealed record PublishedFile(string Name, long ContentBytes, string ContentSha256)
{
    public string ArchiveName => Name + ".gz";
}
