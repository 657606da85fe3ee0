using System;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Makes one symbol-version requirement of an ELF64 library weak, so that the loader accepts a system whose
/// library lacks that version. libLibTorchSharp.so asks for GLIBCXX_3.4.32 only for a symbol that no relocation
/// uses, and would otherwise not load where libstdc++ is older than GCC 13's (Debian 12, Ubuntu 22.04).
/// The destination is always a separate file: a link is replaced, so the package cache is unchanged.
/// Layout after the System V ABI and "Symbol Versioning" of the Linux Standard Base.
/// </summary>
public class WeakenVersionNeed : Task
{
    const uint SectionTypeVersionNeed = 0x6ffffffe;
    const ushort Weak = 0x2;

    [Required] public string Source { get; set; }
    [Required] public string Destination { get; set; }
    [Required] public string Version { get; set; }

    public override bool Execute()
    {
        var image = File.ReadAllBytes(Source);
        if (image.Length < 64 || BitConverter.ToUInt32(image, 0) != 0x464c457f || image[4] != 2 || image[5] != 1)
        {
            Log.LogError("{0} is not a little-endian ELF64 library.", Source);
            return false;
        }
        var weakened = WeakenIn(image);
        Log.LogMessage(MessageImportance.Low, "{0}: made {1} requirement(s) of {2} weak.", Destination, weakened, Version);
        File.Delete(Destination);
        File.WriteAllBytes(Destination, image);
        return true;
    }

    int WeakenIn(byte[] image)
    {
        var weakened = 0;
        var sections = (long)BitConverter.ToUInt64(image, 40);
        var sectionSize = BitConverter.ToUInt16(image, 58);
        for (var i = 0; i < BitConverter.ToUInt16(image, 60); i++)
        {
            var section = (int)(sections + (long)i * sectionSize);
            if (BitConverter.ToUInt32(image, section + 4) != SectionTypeVersionNeed) continue;
            var linked = (int)(sections + (long)BitConverter.ToUInt32(image, section + 40) * sectionSize);
            var strings = (int)BitConverter.ToUInt64(image, linked + 24);
            var need = (int)BitConverter.ToUInt64(image, section + 24);
            for (uint step = 1; step != 0; need += (int)step)
            {
                var auxiliary = need + (int)BitConverter.ToUInt32(image, need + 8);
                for (uint next = 1; next != 0; auxiliary += (int)next)
                {
                    if (NameAt(image, strings + (int)BitConverter.ToUInt32(image, auxiliary + 8)) == Version)
                    {
                        image[auxiliary + 4] |= (byte)Weak;
                        weakened++;
                    }
                    next = BitConverter.ToUInt32(image, auxiliary + 12);
                }
                step = BitConverter.ToUInt32(image, need + 12);
            }
        }
        return weakened;
    }

    static string NameAt(byte[] image, int start)
    {
        return Encoding.ASCII.GetString(image, start, Array.IndexOf(image, (byte)0, start) - start);
    }
}
